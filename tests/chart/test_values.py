"""Values: wrong ones are refused with their place, and every one changes the render."""

import re
from typing import Any

import pytest

from support.helm import CHART, ROOT, needs_helm, refusal
from support.helm_variants import Variant, script

pytestmark = needs_helm


def test_schema_readme_and_manifests_are_current() -> None:
    assert script("defaults").main(["--check"]) == 0
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


def test_every_value_changes_the_render(variants: list[Variant]) -> None:
    assert len(variants) > 140
    idle = [variant.path for variant in variants if variant.before == variant.after]
    assert idle == [], "values that change nothing"
