"""Engine settings, building, and the check of lengths."""

from typing import Any

import pytest
from pydantic import ValidationError

from selfalign.errors import ConfigError, PromptTooLong
from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.contract.engine import EngineInfo
from selfalign.inference.contract.lengths import check_lengths
from selfalign.settings.sampling import SamplingParams
from selfalign.telemetry.metrics import Metrics
from support.scripted_engine import ScriptedEngine


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"url": "http://host:80"},
        {"kind": "openai"},
        {"kind": "openai", "url": "https://host/v1", "model": "m"},
        {"adapter_id": "engraved"},
    ],
)
def test_good_settings(values: dict[str, Any]) -> None:
    settings = EngineSettings(**values)
    assert EngineSettings(**settings.model_dump()) == settings


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"kind": "vllm"}, "kind"),
        ({"url": "host:80"}, "url"),
        ({"url": "http://"}, "url"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"retry_base_s": -1}, "retry_base_s"),
        ({"unknown": 1}, "unknown"),
        ({"kind": "openai", "url": "http://host"}, "model is not set"),
        ({"kind": "openai", "model": "m", "adapter_id": "a"}, "adapter_id is of kind tgi"),
    ],
)
def test_bad_settings(values: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        EngineSettings(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "engine.url is not set"),
        ({"url": "http://host", "token_env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE is not set"),
        ({"url": "https://host", "tls_ca": "no/such/file"}, "engine.tls_ca: cannot read"),
    ],
)
def test_bad_builds(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_engine(EngineSettings(**values), Metrics())


def engine(limits: EngineInfo) -> ScriptedEngine:
    return ScriptedEngine(lambda prompt, params, seed: "", limits)


PREFIX = "one two three"


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (EngineInfo("m", 13, 33, 1), None),
        (EngineInfo("m", None, 33, 1), None),
        (EngineInfo("m", None, None, 1), None),
        (EngineInfo("m", 12, 33, 1), "max_input_tokens = 12: 1 too many"),
        (EngineInfo("m", 13, 32, 1), "make 33, but m takes max_total_tokens = 32: 1 too many"),
    ],
)
async def test_lengths(limits: EngineInfo, problem: str | None) -> None:
    params = SamplingParams(max_new_tokens=20)
    if problem is None:
        await check_lengths(engine(limits), PREFIX, 10, params)
        return
    with pytest.raises(PromptTooLong, match=problem):
        await check_lengths(engine(limits), PREFIX, 10, params)
