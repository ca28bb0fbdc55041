"""Values: wrong ones are refused with their place, and every one changes the render."""

import copy
import functools
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from support.helm import CHART, ROOT, helm, needs_helm, refusal

pytestmark = needs_helm


@functools.cache
def script(name: str) -> ModuleType:
    """charts/NAME.py as a module."""
    spec = importlib.util.spec_from_file_location(f"chart_{name}", ROOT / "charts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_schema_readme_and_manifests_are_current() -> None:
    assert script("docs").main(["--check"]) == 0
    assert script("dashboards").main(["--check"]) == 0
    helm_binary = str(ROOT / ".cache" / "bin" / "helm")
    assert script("jobs").main(["--check", "--helm", helm_binary]) == 0


def test_every_value_is_described() -> None:
    table = (CHART / "README.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \| (`.*`) \| (.*) \|$", table, re.MULTILINE)
    assert len(rows) > 100
    assert [key for key, _, meaning in rows if not meaning or meaning.startswith("(")] == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replicas": 3}, "additional properties 'replicas' not allowed"),
        ({"services": {"replica": 3}}, "at '/services': additional properties 'replica' not"),
        ({"services": {"replicas": "two"}}, "at '/services/replicas': got string, want integer"),
        ({"services": {"replicas": -1}}, "at '/services/replicas': minimum: got -1, want 0"),
        ({"services": {"resources": {"cpu": 1}}}, "at '/services/resources': additional"),
        ({"inference": {"engine": "llama.cpp"}}, "at '/inference/engine': value must be one of"),
        ({"inference": {"shmSize": "64 GB"}}, "at '/inference/shmSize': '64 GB' does not match"),
        ({"inference": {"base": {"weights": ""}}}, "at '/inference/base/weights': minLength"),
        ({"objectStorage": {"url": "/data"}}, "at '/objectStorage/url': '/data' does not match"),
        ({"fullnameOverride": "Self_Align"}, "at '/fullnameOverride'"),
        ({"networkPolicy": {"egressPorts": [70000]}}, "at '/networkPolicy/egressPorts/0': maximum"),
        ({"runFiles": {"seeds.yaml": 3}}, "at '/runFiles/seeds.yaml': got number, want string"),
        ({"image": {"pullPolicy": "Sometimes"}}, "at '/image/pullPolicy'"),
        ({"run": {"prompt": {"count": 3}}}, "at '/run': additional properties 'prompt' not"),
        ({"run": {"prompts": {"count": 0}}}, "at '/run/prompts/count': minimum: got 0, want 1"),
        (
            {"run": {"engrave": {"lerning_rate": 1e-3}}},
            "at '/run/engrave': additional properties 'lerning_rate' not",
        ),
        (
            {"run": {"distill": {"lora": {"rank": 4}}}},
            "at '/run/distill/lora': additional properties 'rank' not",
        ),
        ({"run": {"distill": {"base_model": "m"}}}, "at '/run/distill': additional properties"),
        ({"run": {"name": "My Run"}}, "at '/run/name': 'My Run' does not match"),
        ({"inference": {"base": {"gpus": 0}}}, "inference.base.gpus: 0, but engine tgi runs on"),
        ({"inference": {"dtype": "float32"}}, "inference.dtype: float32 is not known to TGI"),
        ({"inference": {"maxInputTokens": 2048}}, "2048 is not below inference.maxTotalTokens"),
        ({"inference": {"base": {"replicas": 2}}}, "cannot share a volume of access mode"),
        ({"inference": {"engine": "external"}}, "inference.external.baseUrl: empty"),
        (
            {"inference": {"engine": "external", "external": {"baseUrl": "http://a"}}},
            "inference.external.model: empty",
        ),
        ({"tls": {"enabled": True}}, "tls.secretName: empty; name a Secret with tls.crt"),
        ({"training": {"gpus": 0}}, "training.gpus: 0 and training.processes: 0"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any], message: str) -> None:
    assert message in refusal(values)


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
        texts[name].append(document.replace(name, "alias"))
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


@pytest.mark.timeout(300)
def test_every_value_changes_the_render(tmp_path: Path) -> None:
    cases = list(variants_of_values())
    assert len(cases) > 140
    contexts: dict[str, dict[str, Any]] = {}
    for _, _, before, _ in cases:
        contexts.setdefault(yaml.safe_dump(before), before)
    variants = {f"c{number:03d}": before for number, before in enumerate(contexts.values())}
    variants |= {alias: after for _, alias, _, after in cases}
    texts = render_variants(tmp_path, variants)
    plain = {text: texts[f"c{number:03d}"] for number, text in enumerate(contexts)}
    idle = [
        path for path, alias, before, _ in cases if texts[alias] == plain[yaml.safe_dump(before)]
    ]
    assert idle == [], "values that change nothing"
