"""A real S3 server for tests: versitygw over a folder, or moto's server where no Go built one."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ACCESS_KEY, SECRET_KEY, REGION = "selfalign-test", "selfalign-test-secret", "us-east-1"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_command(folder: Path, port: int) -> tuple[str, list[str]]:
    """(name, command) of the server at hand; FileNotFoundError tells how to get one."""
    versitygw = REPOSITORY / ".cache" / "bin" / "versitygw"
    if versitygw.is_file():
        options = ["--access", ACCESS_KEY, "--secret", SECRET_KEY, "--region", REGION]
        address = ["--port", f"127.0.0.1:{port}"]
        return "versitygw", [str(versitygw), *options, *address, "posix", str(folder)]
    moto = REPOSITORY / ".cache" / "moto" / "bin" / "moto_server"
    if moto.is_file():
        return "moto", [str(moto), "-H", "127.0.0.1", "-p", str(port)]
    raise FileNotFoundError("no S3 server: run `make s3-server` first")


@contextmanager
def s3_server(folder: Path) -> Iterator[dict[str, str]]:
    """Runs the server; yields the environment that open_store needs to reach it."""
    port = free_port()
    data = folder / "s3"
    (data / "runs").mkdir(parents=True)
    name, command = server_command(data, port)
    with (folder / "s3.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(port, process, folder / "s3.log")
        environment = {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }
        if name == "moto":
            import urllib.request

            request = urllib.request.Request(f"http://127.0.0.1:{port}/runs", method="PUT")
            urllib.request.urlopen(request).close()
        yield environment
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(data, ignore_errors=True)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the S3 server did not start:\n{log.read_text()}")


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Sets environment variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
