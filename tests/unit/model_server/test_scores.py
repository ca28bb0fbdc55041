"""/score gives what transformers' whole forward pass gives, alone, together, behind prefixes."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from selfalign.model_server.api.generator import Generator, ServiceError
from selfalign.model_server.api.scorer import Scorer
from selfalign.model_server.api.tgi_metrics import TgiMetrics
from selfalign.model_server.api.validation import RequestLimits
from selfalign.model_server.batching.active_request import Prompt
from selfalign.model_server.batching.given_tokens import LOGIT_ROWS
from selfalign.model_server.batching.prefix_cache import SHORT_KEPT

Tiny = tuple[Path, Any]
MakeEngine = Callable[..., Any]
LIMITS = RequestLimits(1023, 1024, 2, 4, 100, 4, 128)


def text_of(seed: int, length: int) -> str:
    return "".join(random.Random(seed).choices("abcdefgh XYZ.", k=length))


def truth(model: Any, tokens: list[int], first: int) -> float:
    with torch.inference_mode():
        scores = torch.log_softmax(model(torch.tensor([tokens])).logits[0], -1)
    return float(sum(scores[at - 1, tokens[at]] for at in range(first, len(tokens))))


def scorer(engine: Any) -> Scorer:
    return Scorer(Generator(engine.engine, engine.tokenizer, LIMITS, TgiMetrics()))


@pytest.mark.parametrize("length", [1, 40, 200, 700], ids="prompt-{}".format)
async def test_scores_equal_transformers(length: int, tiny: Tiny, make_engine: MakeEngine) -> None:
    engine = make_engine(prefill_tokens=128)
    prompt = text_of(1, length)
    continuations = [text_of(seed, size) for seed, size in ((2, 1), (3, 90), (4, LOGIT_ROWS + 5))]
    found = await scorer(engine).score(prompt, [*continuations, ""])
    expected = [
        truth(tiny[1], engine.tokenizer.encode(prompt + one), length) for one in continuations
    ]
    assert [one.logprob for one in found[:3]] == pytest.approx(expected, abs=1e-3)
    assert [one.tokens for one in found] == [1, 90, LOGIT_ROWS + 5, 0]
    # Continuations share their prompt, also one that is too short for rows.
    assert (max(engine.engine.remembered_prefixes, default=0) >= 16) == (length >= 40)


async def test_short_prompts_are_not_kept(tiny: Tiny, make_engine: MakeEngine) -> None:
    engine = make_engine()
    for seed in range(3 * SHORT_KEPT):
        prompt = text_of(seed, 30)
        found = await scorer(engine).score(prompt, [" yes.", " no, never."])
        for score, said in zip(found, (" yes.", " no, never."), strict=True):
            expected = truth(tiny[1], engine.tokenizer.encode(prompt + said), 30)
            assert score.logprob == pytest.approx(expected, abs=1e-3)
    assert len(engine.engine.remembered_prefixes) == SHORT_KEPT


async def test_scores_beside_generation(tiny: Tiny, make_engine: MakeEngine) -> None:
    engine = make_engine(slots=1)
    running = engine.submit(Prompt((5, 6, 7), 900))
    assert running.first.wait(60)
    prompts = [text_of(seed, 20) for seed in range(8)]
    found = await asyncio.gather(*(scorer(engine).score(one, [" so."]) for one in prompts))
    for prompt, (score,) in zip(prompts, found, strict=True):
        expected = truth(tiny[1], engine.tokenizer.encode(prompt + " so."), 20)
        assert score.logprob == pytest.approx(expected, abs=1e-3)
    assert not running.ended.is_set()
    engine.engine.cancel(running.request)


@pytest.mark.parametrize(
    ("prompt", "continuation", "message"),
    [("", "a", "cannot be empty"), ("a" * 1000, "b" * 25, "1024 tokens together.*Given: 1025")],
)
async def test_what_cannot_be_scored(
    prompt: str, continuation: str, message: str, make_engine: MakeEngine
) -> None:
    with pytest.raises(ServiceError, match=message) as raised:
        await scorer(make_engine()).score(prompt, ["a", continuation])
    assert raised.value.status == 422
