"""Both clients against the real model server: the same texts, stops, seeds, limits."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from selfalign.errors import ConfigError, EngineRejected, PromptTooLong
from selfalign.filters.repeats import distinct_share
from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.contract.engine import Engine
from selfalign.inference.contract.lengths import check_lengths
from selfalign.inference.contract.offers import check_offered
from selfalign.settings.sampling import SamplingParams
from selfalign.telemetry.metrics import Metrics

pytestmark = pytest.mark.model

PROMPT = "The capital of France is"


@pytest_asyncio.fixture(params=["tgi", "openai"])
async def engine(request: pytest.FixtureRequest, model_server: str) -> AsyncIterator[Engine]:
    model = "smollm2-135m" if request.param == "openai" else None
    settings = EngineSettings(kind=request.param, url=model_server, model=model)
    engine = build_engine(settings, Metrics())
    yield engine
    await engine.close()


async def test_greedy(engine: Engine) -> None:
    params = SamplingParams(max_new_tokens=6)
    completion = await engine.generate(PROMPT, params, seed=None, deadline_s=60.0)
    assert completion.text.startswith(" Paris")
    assert completion.finish_reason == "length"
    assert completion.completion_tokens == 6
    assert completion.prompt_tokens in (5, 6)


async def test_stop_inside_a_token(engine: Engine) -> None:
    params = SamplingParams(max_new_tokens=8, stop=("ari",))
    completion = await engine.generate(PROMPT, params, seed=None, deadline_s=60.0)
    assert (completion.text, completion.finish_reason) == (" P", "stop_sequence")


async def test_seeds(engine: Engine) -> None:
    params = SamplingParams(max_new_tokens=16, temperature=1.0, top_p=0.95, top_k=50)
    texts = await asyncio.gather(
        *(engine.generate(PROMPT, params, seed=seed, deadline_s=60.0) for seed in (1, 1, 2))
    )
    assert texts[0].text == texts[1].text != texts[2].text


async def test_penalties_on_runs_that_come_again(engine: Engine) -> None:
    prompt = "Say it three times. The old red house on the hill. The old red house on the hill."
    params = SamplingParams(max_new_tokens=32)
    penalised = params.model_copy(update={"ngram_penalties": (0.0, 0.0, 100.0, 100.0)})
    info = await engine.info()
    if not info.ngram_penalties:
        with pytest.raises(ConfigError, match=r"ngram_penalties: .* does not offer it"):
            check_offered(info, penalised)
        return
    check_offered(info, penalised)
    plain, fresh = [
        (await engine.generate(prompt, wanted, seed=None, deadline_s=60.0)).text
        for wanted in (params, penalised)
    ]
    # The commonest words may be said again; all others end a run of three once.
    assert distinct_share(fresh, 3) > 1.5 * distinct_share(plain, 3)


async def test_a_text_that_ends_inside_a_character(engine: Engine) -> None:
    prompt = "请写中文：你好，世界。你好，"
    params = SamplingParams(max_new_tokens=10)
    completion = await engine.generate(prompt, params, seed=None, deadline_s=60.0)
    assert "\N{REPLACEMENT CHARACTER}" not in completion.text


async def test_logprobs(engine: Engine) -> None:
    values = await engine.next_token_logprobs(PROMPT, [" Paris", " xylophone"], deadline_s=60.0)
    assert values[0] is not None
    assert -2.0 < values[0] < 0.0
    assert values[1] is None


async def test_too_long(engine: Engine) -> None:
    params = SamplingParams(max_new_tokens=6)
    with pytest.raises(EngineRejected):
        await engine.generate("word " * 20_000, params, seed=None, deadline_s=60.0)


async def test_lengths(engine: Engine) -> None:
    info = await engine.info()
    if info.max_total_tokens is None or await engine.count_tokens("x") is None:
        pytest.skip("this API tells no limits or counts no tokens")
    await check_lengths(engine, PROMPT, 10, SamplingParams(max_new_tokens=10))
    with pytest.raises(PromptTooLong, match="max_new_tokens"):
        await check_lengths(
            engine, PROMPT, 10, SamplingParams(max_new_tokens=info.max_total_tokens)
        )
