"""The release that the kind suite works on, and what the suite saw of it."""

import base64
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from selfalign.rpc.channel import ChannelSettings
from support.cluster import Cluster, run

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "selfalign"
VALUES = ("-f", str(CHART / "values-kind.yaml"), "-f", str(ROOT / "tests" / "kind" / "values.yaml"))
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SERVICES = f"selfalign/services:{VERSION}"

FACTS: list[str] = []


def tell(text: str) -> None:
    """Goes into the summary at the end: what the suite saw, beside what it asserts."""
    FACTS.extend(text.splitlines())


@dataclass(frozen=True)
class Release:
    """The installed chart and what a client outside needs."""

    cluster: Cluster
    ca: Path
    token: Path
    jobs: Path
    """A folder with pipeline-job.yaml and training-job.yaml as the release has them."""

    @contextmanager
    def store(self) -> Iterator[dict[str, str]]:
        """Environment in which `selfalign` reads the bucket from here."""
        keys = self.cluster.get("secret", "selfalign-store")["data"]
        with self.cluster.forward("service/selfalign-store", 7070) as port:
            yield {
                "SELFALIGN_STORE": "s3://selfalign/runs",
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_REGION": "us-east-1",
                **{name: base64.b64decode(value).decode() for name, value in keys.items()},
            }

    def selfalign(self, *arguments: str) -> str:
        """The command line against the bucket, as a person at a laptop runs it."""
        with self.store() as environment:
            done = subprocess.run(
                [str(Path(sys.executable).parent / "selfalign"), *arguments],
                env={**os.environ, **environment},
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def channel(self, port: int, *, token: bool = True) -> ChannelSettings:
        """Settings for a forwarded port."""
        return ChannelSettings(
            target=f"127.0.0.1:{port}", tls_ca=self.ca, token_file=self.token if token else None
        )


def made_jobs(folder: Path) -> Path:
    """k8s/*.yaml for the suite's values, as charts/jobs.py makes them."""
    config = ROOT / "tests" / "kind" / "training.yaml"
    made = (*VALUES, "--training-config", str(config), "--output", str(folder))
    run(sys.executable, str(ROOT / "charts" / "jobs.py"), *made)
    return folder


def new_namespace(name: str) -> Cluster:
    """An empty namespace in which Kubernetes itself refuses pods that are not `restricted`."""
    run("kubectl", "delete", "namespace", name, "--ignore-not-found", timeout=300)
    run("kubectl", "create", "namespace", name)
    label = "pod-security.kubernetes.io/enforce=restricted"
    run("kubectl", "label", "namespace", name, label)
    return Cluster(name)
