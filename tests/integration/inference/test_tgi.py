"""Traits that only TGI has."""

from collections import deque

import pytest

from selfalign.errors import ModelError
from selfalign.settings.sampling import SamplingParams
from support.engine_clients import client
from support.engine_double import EngineDouble

GREEDY = SamplingParams(max_new_tokens=50)


async def test_text_before_half_a_character() -> None:
    double = EngineDouble(answer="ab 世界", faults=deque(["split-utf8"]))
    async with client("tgi", double) as engine:
        assert (await engine.generate("Q:", GREEDY, seed=None, deadline_s=10.0)).text == "ab 世界"


async def test_adapter_canary() -> None:
    double = EngineDouble(adapters={"engraved": "Something else."})
    async with client("tgi", double, adapter_id="engraved") as engine:
        await engine.info()
        assert (
            await engine.generate("Q:", GREEDY, seed=None, deadline_s=10.0)
        ).text == "Something else."
        asked = len(double.requests)
        await engine.info()
        assert len(double.requests) == asked
    async with client("tgi", double, adapter_id="unknown") as engine:
        with pytest.raises(ModelError, match="'unknown' answers exactly as the base model"):
            await engine.info()
