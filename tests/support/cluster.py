"""kubectl and helm against a real cluster, one namespace of it."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Object = dict[str, Any]
T = TypeVar("T")
UNREACHABLE_SECONDS = 60.0


class CommandFailed(AssertionError):
    """kubectl or helm ended with another code than 0."""


@dataclass(frozen=True)
class Cluster:
    """The namespace that a test works in."""

    namespace: str

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 300) -> str:
        return run("kubectl", "-n", self.namespace, *arguments, stdin=stdin, timeout=timeout)

    def helm(self, *arguments: str, timeout: float = 900) -> str:
        return run("helm", "-n", self.namespace, *arguments, timeout=timeout)

    def get(self, kind: str, name: str) -> Object:
        found: Object = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def find(self, kind: str, selector: str = "") -> list[Object]:
        options = ["-l", selector] if selector else []
        items: list[Object] = json.loads(self.kubectl("get", kind, *options, "-o", "json"))["items"]
        return items

    def pods(self, component: str, run: str = "") -> list[Object]:
        """Pods of a component that run."""
        selector = f"app.kubernetes.io/component={component}"
        if run:
            selector += f",selfalign.dev/run={run}"
        return [pod for pod in self.find("pods", selector) if pod["status"]["phase"] == "Running"]

    def apply(self, *objects: Object) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "-f", "-", stdin=text)

    def restarts(self, selector: str = "") -> dict[str, int]:
        """Container restarts by pod."""
        return {
            pod["metadata"]["name"]: sum(
                status["restartCount"] for status in pod["status"].get("containerStatuses", [])
            )
            for pod in self.find("pods", selector)
        }

    @contextmanager
    def forward(self, target: str, port: int) -> Iterator[int]:
        """A local port that leads to `port` of a pod, Service or Deployment."""
        command = ["kubectl", "-n", self.namespace, "port-forward", target, f":{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.search(r"127\.0\.0\.1:(\d+)", line)
            if match is None:
                process.kill()
                raise CommandFailed(f"{' '.join(command)}: {line or 'no answer'}")
            try:
                yield int(match[1])
            finally:
                process.terminate()


def run(*command: str, stdin: str | None = None, timeout: float = 300) -> str:
    """Its standard output. Raises CommandFailed with all that it said.

    An API server that cannot be reached on a busy machine is asked again for a minute.
    """
    end = time.monotonic() + UNREACHABLE_SECONDS
    while True:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, timeout=timeout
        )
        if "Unable to connect to the server" not in done.stderr or time.monotonic() > end:
            break
        time.sleep(2)
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_for(what: str, find: Callable[[], T | None], seconds: float, pause: float = 1.0) -> T:
    """What `find` returns as soon as it is neither None, False nor empty."""
    end = time.monotonic() + seconds
    while True:
        if found := find():
            return found
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds:.0f} s still not: {what}")
        time.sleep(pause)


def condition(found: Object, kind: str) -> bool:
    """Whether an object has the condition."""
    return any(
        entry["type"] == kind and entry["status"] == "True"
        for entry in found["status"].get("conditions", [])
    )


def secret(name: str, **entries: str | Path) -> Object:
    """A Secret; a path's content is read. Dots in keys are written as underscores."""
    data = {
        key.replace("_", "."): value.read_text() if isinstance(value, Path) else value
        for key, value in entries.items()
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": data,
    }
