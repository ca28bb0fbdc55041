"""An engine that comes back from an outage with another model."""

import asyncio

import pytest

from selfalign.errors import EngineExchanged
from selfalign.inference.contract.engine import Engine
from selfalign.settings.sampling import SamplingParams
from support.engine_clients import client
from support.engine_double import EngineDouble

CALLS = 5


async def ask(engine: Engine) -> str:
    params = SamplingParams(max_new_tokens=50)
    return (await engine.generate("Q:", params, seed=1, deadline_s=9.0)).text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"model_id": "another"}, "went away, and now serves another: rows of two models"),
        ({"model_sha": "beef"}, "and now serves double beef: rows of two models"),
    ],
)
async def test_no_answer_of_another_model_is_taken_for_the_first_ones(
    change: dict[str, str], told: str
) -> None:
    """Every call that was under way, whoever asks the engine first; a health check does too."""
    double = EngineDouble(answer="Fine.")
    double.info["model_id"] = "double"
    async with client("tgi", double, outage_patience_s=60) as engine:
        await engine.info()
        assert await ask(engine) == "Fine."
        double.faults.extend(["503"] * 3 * CALLS)
        double.info |= change
        asked = [asyncio.ensure_future(ask(engine)) for _ in range(CALLS)]
        while double.faults:
            await asyncio.sleep(0.001)
        await engine.info()
        found = await asyncio.gather(*asked, return_exceptions=True)
        if not told:
            assert found == ["Fine."] * CALLS
            return
        assert [type(one) for one in found] == [EngineExchanged] * CALLS
        assert told in str(found[0])
        assert await ask(engine) == "Fine.", "what begins after it is the new model's"
