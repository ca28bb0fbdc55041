"""The chart, rendered by the real Helm; what does not change is rendered once in a session."""

import functools
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "selfalign"
HELM = ROOT / ".cache" / "bin" / "helm"
VALUES_FILES = ("default", *sorted(path.stem for path in CHART.glob("values-*.yaml")))
PLACEHOLDERS = {
    "NAME": "selfalign-demo-align-1",
    "CONFIG_MAP": "selfalign-demo-align-1",
    "RUN": "demo",
    "STAGE": "align",
    "COUNT": "2",
    "ATTEMPT": "1",
    "TARGET": "dns:///selfalign-principle-engine-headless:50051",
}
RANDOM = re.compile(r"(AWS_SECRET_ACCESS_KEY: ).*")

needs_helm = pytest.mark.skipif(not HELM.is_file(), reason="no .cache/bin/helm: run `make helm`")


class UniqueLoader(yaml.CSafeLoader):
    """Refuses a key that is given twice, which YAML readers else take in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        doubled = {key for key in keys if keys.count(key) > 1}
        if doubled:
            raise yaml.constructor.ConstructorError(None, None, f"{doubled} twice", node.start_mark)
        return super().construct_mapping(node, deep)


def helm(
    *arguments: str, values: Mapping[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs Helm; `values` go in as a file on stdin."""
    command = [str(HELM), *arguments]
    text = None
    if values is not None:
        command += ["--values", "-"]
        text = yaml.safe_dump(dict(values))
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=100)


def files(name: str) -> list[str]:
    """Options that choose a values file by its stem."""
    return [] if name == "default" else ["--values", str(CHART / f"{name}.yaml")]


@functools.cache
def render_text(name: str = "default") -> str:
    """The manifests of a values file, for a release named selfalign in namespace default."""
    done = helm("template", "selfalign", str(CHART), *files(name))
    assert done.returncode == 0, done.stderr
    return RANDOM.sub(r"\1cmFuZG9t", done.stdout)


@functools.cache
def render_file(name: str = "default") -> tuple[dict[str, Any], ...]:
    """As render_text, as objects."""
    return tuple(objects(render_text(name)))


def render(values: Mapping[str, Any], name: str = "default") -> list[dict[str, Any]]:
    """The objects of a values file with `values` over it."""
    done = helm("template", "selfalign", str(CHART), *files(name), values=values)
    assert done.returncode == 0, done.stderr
    return list(objects(done.stdout))


def refusal(values: Mapping[str, Any]) -> str:
    """What Helm says of values that it refuses."""
    done = helm("template", "selfalign", str(CHART), values=values)
    assert done.returncode != 0, "these values were accepted"
    return done.stderr


def objects(text: str) -> Iterator[dict[str, Any]]:
    """The documents of a stream of YAML."""
    for document in yaml.load_all(text, Loader=UniqueLoader):
        if document:
            yield document


def find(documents: Any, kind: str, name: str) -> dict[str, Any]:
    """One object."""
    (found,) = [d for d in documents if d["kind"] == kind and d["metadata"]["name"] == name]
    return dict(found)


def submitted(documents: Any) -> Iterator[dict[str, Any]]:
    """What a run would submit: the jobs ConfigMap's templates, their placeholders filled."""
    for text in find(documents, "ConfigMap", "selfalign-jobs")["data"].values():
        yield from objects(Template(text).safe_substitute(PLACEHOLDERS))


def pod_specs(documents: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, spec) of every pod that the objects would make, those of submitted Jobs included."""
    for document in [*documents, *submitted(documents)]:
        place = f"{document['kind']} {document['metadata']['name']}"
        if document["kind"] == "Pod":
            yield place, document["spec"]
        elif document["kind"] in ("Deployment", "Job"):
            yield place, document["spec"]["template"]["spec"]


def containers(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All containers of a pod, those that come first included."""
    return [*spec.get("initContainers", []), *spec["containers"]]
