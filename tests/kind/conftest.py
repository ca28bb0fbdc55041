"""The release, installed once. Tests run in the order of the files."""

import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.certificates import Authority
from support.cluster import secret
from support.kind_release import CHART, FACTS, VALUES, Release, made_jobs, new_namespace, tell

NAMESPACE = "selfalign"
# The suite goes from this version to the current one while a run is in progress.
PREVIOUS_VERSION = "0.0.9"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if FACTS:
        terminalreporter.section("what the cluster showed")
        for line in FACTS:
            terminalreporter.line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(folder):
            item.add_marker(pytest.mark.kind)
            item.add_marker(pytest.mark.timeout(1500))


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    for tool in ("kubectl", "helm", "docker", "openssl"):
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is not on the PATH; run this suite by `make kind-test`")
    if not os.environ.get("KUBECONFIG"):
        pytest.fail("KUBECONFIG is not set: the suite works on the cluster of `make kind-up` only")


@pytest.fixture(scope="session")
def previous_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart as an earlier version, so that an upgrade has something to come from."""
    folder = tmp_path_factory.mktemp("previous")
    shutil.copytree(CHART, folder / "selfalign")
    file = folder / "selfalign" / "Chart.yaml"
    file.write_text(
        yaml.safe_dump(yaml.safe_load(file.read_text()) | {"version": PREVIOUS_VERSION})
    )
    return folder / "selfalign"


@pytest.fixture(scope="session")
def release(previous_chart: Path, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """helm install --wait of values-kind.yaml, with TLS and a token."""
    cluster = new_namespace(NAMESPACE)
    folder = tmp_path_factory.mktemp("secrets")
    authority = Authority(folder, "ca")
    services = ("prompt-synthesizer", "principle-engine", "refiner")
    hosts = tuple(f"selfalign-{name}{end}" for name in services for end in ("", "-headless"))
    everywhere = tuple(
        host + domain for host in hosts for domain in ("", f".{NAMESPACE}", f".{NAMESPACE}.svc")
    )
    cert, key = authority.issue("services", ("localhost", *everywhere))
    token = folder / "token"
    token.write_text(secrets.token_hex(16))
    cluster.apply(
        secret("selfalign-tls", tls_crt=cert, tls_key=key, ca_crt=authority.cert),
        secret("selfalign-token", token=token),
    )
    began = time.monotonic()
    cluster.helm("install", "selfalign", str(previous_chart), *VALUES, "--wait", "--timeout", "15m")
    seconds = time.monotonic() - began
    tell(f"helm install --wait: {seconds:.0f} s")
    return Release(cluster, authority.cert, token, made_jobs(folder))
