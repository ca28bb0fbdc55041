"""Variants of the chart's values: each value changed once, where it means something."""

import copy
import functools
import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from support.helm import CHART, ROOT, helm


@functools.cache
def script(name: str) -> ModuleType:
    """charts/NAME.py as a module."""
    spec = importlib.util.spec_from_file_location(f"chart_{name}", ROOT / "charts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# Values that mean something only beside others.
CONTEXTS: dict[str, dict[str, Any]] = {
    "embeddedStore": {"embeddedStore": {"enabled": True}},
    "images.store": {"embeddedStore": {"enabled": True}},
    "images.vllm": {"inference": {"engine": "vllm"}},
    "images.modelServer": {"inference": {"engine": "model-server"}},
    "inference.external": {
        "inference": {
            "engine": "external",
            "external": {
                "baseUrl": "http://a",
                "model": "m",
                "engravedUrl": "http://b",
                "tokenSecret": {"name": "t"},
            },
        }
    },
    "inference.hub.tokenSecret.key": {"inference": {"hub": {"tokenSecret": {"name": "t"}}}},
    "inference.autoscaling": {"inference": {"autoscaling": {"enabled": True}}},
    "inference.base.replicas": {"inference": {"base": {"cache": {"volume": "emptyDir"}}}},
    "objectStorage.caBundle.key": {"objectStorage": {"caBundle": {"configMap": "ca"}}},
    "services.autoscaling.targetCPU": {"services": {"autoscaling": {"kind": "hpa"}}},
    "services.autoscaling": {"services": {"autoscaling": {"kind": "keda"}}},
    "monitoring.prometheusUrl": {"services": {"autoscaling": {"kind": "keda"}}},
    "monitoring.monitors": {"monitoring": {"monitors": {"enabled": True}}},
    "monitoring.rules": {"monitoring": {"rules": {"enabled": True}}},
    "tls": {"tls": {"enabled": True, "certManager": {"issuer": {"name": "ca"}}}},
    "auth.tokenSecret.key": {"auth": {"tokenSecret": {"name": "t"}}},
    "training.work.storageClass": {"training": {"work": {"volume": "ephemeral"}}},
}
# What a value becomes, where its type does not say enough.
SAMPLES: dict[str, Any] = {
    "objectStorage.url": "gs://other/runs",
    "objectStorage.endpoint": "https://s3.example:9000",
    "inference.external.baseUrl": "http://c",
    "inference.external.engravedUrl": "http://d",
    "inference.maxInputTokens": 1000,
    "inference.quantize": "eetq",
    "monitoring.monitors.interval": "60s",
    "run": {"name": "another"},
    "runFiles": {"constitution.yaml": "principles: []"},
    "podSecurityContext": {"supplementalGroups": [7]},
    "containerSecurityContext": {"runAsUser": 7},
    "gpuSecurityContext": {"runAsUser": 7},
    "networkPolicy.clients": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    "networkPolicy.monitoring": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    "networkPolicy.egressPorts": [443],
    "image.pullSecrets": ["registry"],
    "global": {},
}
BY_REFERENCE = {
    "#/$defs/quantity": "7Gi",
    "#/$defs/strings": {"key": "value"},
    "#/$defs/resources": {"limits": {"memory": "7Gi"}},
}


def leaves() -> list[Any]:
    docs = script("docs")
    return list(docs.leaves(docs.read_values(CHART / "values.yaml")))


def another(path: str, value: Any) -> Any:
    """A value that the schema allows and that is not the default."""
    default, keywords = value.default, value.keywords
    if path in SAMPLES:
        return SAMPLES[path]
    if "$ref" in keywords:
        return BY_REFERENCE[keywords["$ref"]]
    if "enum" in keywords:
        return next(choice for choice in keywords["enum"] if choice not in (default, "none"))
    match default:
        case bool():
            return not default
        case int():
            return default + 1
        case str():
            return f"{default}-x" if default else "x"
        case list():
            objects = keywords["items"]["type"] == "object"
            return [{"key": "x", "name": "x"}] if objects else ["--x"]
        case _:
            return {"key": "value"}


def nested(path: str, value: Any) -> dict[str, Any]:
    for part in reversed(path.split(".")):
        value = {part: value}
    return dict(value)


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(below)
    for key, value in above.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def context_of(path: str) -> dict[str, Any]:
    found = [key for key in CONTEXTS if path == key or path.startswith(f"{key}.")]
    return CONTEXTS[max(found, key=len)] if found else {}


def render_variants(folder: Path, variants: dict[str, dict[str, Any]]) -> dict[str, str]:
    """One run of Helm for all variants: a chart that has ours in it once for each of them."""
    (folder / "charts").mkdir(parents=True)
    (folder / "charts" / "selfalign").symlink_to(CHART)
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    dependencies = [{"name": "selfalign", "version": version, "alias": name} for name in variants]
    chart = {"apiVersion": "v2", "name": "variants", "version": "0.1.0"}
    (folder / "Chart.yaml").write_text(yaml.safe_dump({**chart, "dependencies": dependencies}))
    done = helm("template", "selfalign", str(folder), values=variants)
    assert done.returncode == 0, done.stderr
    texts: dict[str, list[str]] = {name: [] for name in variants}
    for document in re.split(r"^---\n# Source: ", done.stdout, flags=re.MULTILINE)[1:]:
        name = document.split("/")[2]
        texts[name].append(f"---\n# Source: {document.replace(name, 'alias')}")
    return {name: "".join(sorted(parts)) for name, parts in texts.items()}


def variants_of_values() -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """(path, alias, values without the change, values with it)."""
    for number, value in enumerate(leaves()):
        path = ".".join(value.path)
        # Names would follow the alias; the two names' own values are compared as they are.
        named = {} if path in ("nameOverride", "fullnameOverride") else {"fullnameOverride": "x"}
        context = context_of(path)
        before = merged(named, context)
        after = merged(before, nested(path, another(path, value)))
        # A context that sets the value itself stands for the change.
        yield path, f"v{number:03d}", named if after == before else before, after


@dataclass(frozen=True, slots=True)
class Variant:
    """What one value changes in the render."""

    path: str
    before: str
    after: str


def rendered_variants(folder: Path) -> list[Variant]:
    """Every value of values.yaml, changed in the context in which it means something."""
    cases = list(variants_of_values())
    contexts: dict[str, dict[str, Any]] = {}
    for _, _, before, _ in cases:
        contexts.setdefault(yaml.safe_dump(before), before)
    variants = {f"c{number:03d}": before for number, before in enumerate(contexts.values())}
    variants |= {alias: after for _, alias, _, after in cases}
    texts = render_variants(folder, variants)
    plain = {text: texts[f"c{number:03d}"] for number, text in enumerate(contexts)}
    return [
        Variant(path, plain[yaml.safe_dump(before)], texts[alias])
        for path, alias, before, _ in cases
    ]
