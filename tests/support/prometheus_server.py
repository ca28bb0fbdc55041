"""A real Prometheus over a folder, scraping local processes every half second."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from support.cluster import wait_for
from support.s3_server import REPOSITORY, free_port

PROMETHEUS = REPOSITORY / ".cache" / "bin" / "prometheus"


@contextmanager
def prometheus_server(folder: Path, targets: Mapping[str, str]) -> Iterator[str]:
    """Scrapes `targets` (job: host:port); yields the server's URL."""
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [address], "labels": {"pod": job}}]}
        for job, address in targets.items()
    ]
    often = {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
    config = folder / "prometheus.yaml"
    config.write_text(yaml.safe_dump({"global": often, "scrape_configs": jobs}))
    address = f"127.0.0.1:{free_port()}"
    command = [str(PROMETHEUS), f"--config.file={config}", f"--web.listen-address={address}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--storage.tsdb.path={folder / 'tsdb'}"], stdout=log, stderr=log
        )
    try:
        _wait_until_ready(f"http://{address}", process, folder / "prometheus.log")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)


def wait_for_scrape(url: str, job: str) -> None:
    """Returns once the job's target has answered a scrape that began after this call."""
    up = f'up{{job="{job}"}}'
    fields = {"query": f"{up} == 1 and timestamp({up}) > {time.time()}"}
    query = urllib.parse.urlencode(fields)

    def scraped() -> bool:
        with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=5) as response:
            return bool(json.load(response)["data"]["result"])

    wait_for(f"Prometheus has scraped {job}", scraped, 30, pause=0.1)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise RuntimeError(f"Prometheus did not start:\n{log.read_text()}")
