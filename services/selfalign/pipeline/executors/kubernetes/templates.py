"""The manifests that the chart rendered into a ConfigMap: names, placeholders, owners."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from selfalign.errors import ConfigError
from selfalign.pipeline.executors.kubernetes.cluster import Cluster, Object

TemplateName = Literal["worker-job.yaml", "training-job.yaml"]

RUN, STAGE, RELEASE = "selfalign.dev/run", "selfalign.dev/stage", "selfalign.dev/release"
DIGEST = "selfalign.dev/digest"
# A pod's host name is the Job's name, a dash and its index, 63 characters at most.
NAME_LIMIT = 52


# Only ${NAME} is a placeholder: $(NAME) is Kubernetes' own, $NAME the shell's; $$ is a dollar.
PLACEHOLDER = re.compile(r"\$(?:\$|\{(?P<name>[A-Z_]+)\})")


@dataclass(frozen=True, slots=True)
class Templates:
    """The templates of one release."""

    source: str
    texts: Mapping[str, str]

    def render(self, name: TemplateName, values: Mapping[str, str | int]) -> list[Object]:
        """The manifests of a template with its placeholders filled in.

        Raises:
            ConfigError: the template is missing, has another placeholder, or is no YAML.
        """
        place = f"ConfigMap {self.source}, {name}"
        if name not in self.texts:
            raise ConfigError(f"{place}: missing; there are {', '.join(sorted(self.texts))}")
        used = {match["name"] for match in PLACEHOLDER.finditer(self.texts[name])} - {None}
        unknown = sorted(used - set(values))
        if unknown:
            raise ConfigError(
                f"{place}: unknown placeholder {', '.join(unknown)}; expected some of "
                f"{', '.join(sorted(values))}"
            )
        try:
            documents = list(yaml.safe_load_all(fill(self.texts[name], values)))
        except yaml.YAMLError as error:
            raise ConfigError(f"{place}: not valid YAML: {error}") from error
        found = [document for document in documents if document is not None]
        if not all(isinstance(document, dict) and "kind" in document for document in found):
            raise ConfigError(f"{place}: expected manifests with a kind")
        return found


def fill(text: str, values: Mapping[str, str | int]) -> str:
    """The text with its placeholders replaced, all of which `values` has."""
    return PLACEHOLDER.sub(lambda match: str(values[match["name"]]) if match["name"] else "$", text)


def load_templates(cluster: Cluster, release: str) -> Templates:
    """Reads the release's ConfigMap. Raises ConfigError where there is none."""
    name = f"{release}-jobs"
    found = cluster.get("configmaps", name)
    if found is None:
        raise ConfigError(
            f"executor.kubernetes.release: namespace {cluster.namespace!r} has no ConfigMap "
            f"{name!r}; expected the full name of a release of the selfalign chart"
        )
    return Templates(name, found.get("data", {}))


def object_name(release: str, run: str, stage: str, attempt: int) -> str:
    """The name of a stage's Job: the same for the same work, at most NAME_LIMIT characters."""
    name = f"{release}-{run}-{stage}-{attempt}"
    if len(name) <= NAME_LIMIT:
        return name
    end = f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}-{stage}-{attempt}"
    return name[: NAME_LIMIT - len(end)].rstrip("-") + end


def digest(content: Any) -> str:  # noqa: ANN401
    """Tells whether a Job that is there does the work now asked for."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def mark(
    body: Object,
    *,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    owner: Object | None,
) -> Object:
    """The manifest with our labels, annotations and owner reference."""
    metadata = dict(body["metadata"])
    metadata["labels"] = {**metadata.get("labels", {}), **labels}
    metadata["annotations"] = {**metadata.get("annotations", {}), **annotations}
    # The namespace is that of the request.
    metadata.pop("namespace", None)
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    return {**body, "metadata": metadata}


def owner_of(body: Object) -> Object:
    """A reference that lets Kubernetes delete an object with `body`."""
    metadata = body["metadata"]
    return {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def environment_value(body: Object, name: str) -> str | None:
    """A variable of the manifest's first container, where it is given literally."""
    containers = body["spec"]["template"]["spec"]["containers"]
    for variable in containers[0].get("env", []):
        if variable.get("name") == name:
            value = variable.get("value")
            return None if value is None else str(value)
    return None


def selector(**labels: str) -> str:
    """A label selector: run, stage, release."""
    keys = {"run": RUN, "stage": STAGE, "release": RELEASE}
    return ",".join(f"{keys[name]}={value}" for name, value in labels.items())
