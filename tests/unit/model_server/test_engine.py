"""The engine gives what the model gives: alone, in batches, behind shared prefixes."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from selfalign.model_server.batching.active_request import Prompt
from selfalign.model_server.batching.running_batch import RunningBatch
from selfalign.model_server.batching.sampler import Sampling
from selfalign.model_server.transformer.causal_lm import CausalLM
from support.tiny_llama import greedy, save_tiny_llama

Tiny = tuple[Path, Any]
MakeEngine = Callable[..., Any]


def tokens_of(seed: int, length: int) -> list[int]:
    rng = random.Random(seed)
    return [rng.randrange(2, 258) for _ in range(length)]


def prompt(tokens: list[int], new_tokens: int = 12, **changes: Any) -> Prompt:
    return Prompt(tuple(tokens), new_tokens, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tie_word_embeddings": False},
        {"attention_bias": True, "mlp_bias": True},
        {"num_key_value_heads": 4},
        {"num_key_value_heads": 1, "max_shard_size": "40KB"},
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 10000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        },
    ],
    ids=["tied", "untied", "biases", "full-heads", "one-kv-head-sharded", "llama3-rope"],
)
def test_greedy_equals_transformers(
    changes: dict[str, Any], tmp_path: Path, make_engine: MakeEngine
) -> None:
    model = save_tiny_llama(tmp_path, **changes)
    engine = make_engine(tmp_path)
    for seed, length in ((1, 1), (2, 7), (3, 100)):
        tokens = tokens_of(seed, length)
        assert engine.submit(prompt(tokens)).wait().tokens == greedy(model, tokens, 12)


@pytest.mark.parametrize("slots", [1, 3, 16])
def test_rows_of_a_batch_do_not_disturb_each_other(
    slots: int, tiny: Tiny, make_engine: MakeEngine
) -> None:
    engine = make_engine(slots=slots, prefill_tokens=64)
    cases = [(tokens_of(seed, 1 + 9 * seed % 50), 1 + seed % 14) for seed in range(14)]
    answers = [engine.submit(prompt(tokens, new)) for tokens, new in cases]
    for answer, (tokens, new) in zip(answers, cases, strict=True):
        assert answer.wait().tokens == greedy(tiny[1], tokens, new)


def test_shared_prefixes_are_found_and_change_nothing(tiny: Tiny, make_engine: MakeEngine) -> None:
    engine = make_engine(slots=8, prefill_tokens=64)
    first, second = tokens_of(100, 200), tokens_of(101, 130)
    cases = [
        base + tokens_of(seed, 3 + seed)
        for seed in range(6)
        for base in (first, second, first[:90], [])
    ]
    answers = [engine.submit(prompt(tokens)) for tokens in cases]
    for answer, tokens in zip(answers, cases, strict=True):
        assert answer.wait().tokens == greedy(tiny[1], tokens, 12)
    lengths = engine.engine.remembered_prefixes
    assert any(length >= 192 for length in lengths), lengths
    assert any(128 <= length < 192 for length in lengths), lengths


def test_a_long_prompt_gets_a_prefix_that_the_next_request_uses(
    tiny: Tiny, make_engine: MakeEngine
) -> None:
    engine = make_engine()
    long = tokens_of(5, 700)
    assert engine.submit(prompt(long)).wait().tokens == greedy(tiny[1], long, 12)
    assert engine.engine.remembered_prefixes == [688]
    again = [*long[:650], 5, 6, 7]
    assert engine.submit(prompt(again)).wait().tokens == greedy(tiny[1], again, 12)
    assert engine.engine.remembered_prefixes == [688]


@pytest.mark.parametrize("longer", [128 + 48, 128 + 64, 128 + 80])
def test_a_longer_prefix_beside_running_rows(
    longer: int, tiny: Tiny, make_engine: MakeEngine
) -> None:
    engine = make_engine(slots=8)
    base = tokens_of(9, 300)
    running = [engine.submit(prompt([*base[:128], n, n], 300)) for n in (5, 6)]
    assert all(answer.first.wait(30) for answer in running)
    cases = [[*base[:longer], n, n, n] for n in (7, 8)]
    for answer, tokens in [(engine.submit(prompt(tokens)), tokens) for tokens in cases]:
        assert answer.wait().tokens == greedy(tiny[1], tokens, 12)
    for answer in running:
        engine.engine.cancel(answer.request)


def test_unused_prefixes_are_forgotten(make_engine: MakeEngine) -> None:
    engine = make_engine(prefix_cache_tokens=1500)
    for seed in range(4):
        engine.submit(prompt(tokens_of(seed, 700), 2)).wait()
    engine.submit(prompt([5], 1)).wait()
    assert engine.engine.remembered_prefixes == [688, 688]


def test_one_token_requests_need_no_slot(tiny: Tiny, make_engine: MakeEngine) -> None:
    engine = make_engine(slots=1)
    long = engine.submit(prompt(tokens_of(1, 5), 400))
    assert long.first.wait(30)
    tokens = tokens_of(2, 20)
    scored = engine.submit(prompt(tokens, 1, sampling=Sampling(top_n_tokens=60))).wait()
    assert not long.ended.is_set()
    top = scored.events[0].top
    with torch.inference_mode():
        logits = tiny[1](torch.tensor([tokens])).logits[0, -1]
    expected = torch.log_softmax(logits, -1).topk(60)
    assert [token.id for token in top] == expected.indices.tolist()
    assert [token.logprob for token in top] == pytest.approx(expected.values.tolist(), abs=1e-3)
    engine.engine.cancel(long.request)


def test_prompt_logprobs(tiny: Tiny, make_engine: MakeEngine) -> None:
    tokens = tokens_of(3, 150)
    answer = make_engine(prefill_tokens=64).submit(prompt(tokens, 2, prefill_logprobs=True)).wait()
    assert answer.request is not None
    with torch.inference_mode():
        scores = torch.log_softmax(tiny[1](torch.tensor([tokens])).logits[0], -1)
    expected = [float(scores[at, token]) for at, token in enumerate(tokens[1:])]
    assert answer.request.prefill_logprobs[0] is None
    assert list(answer.request.prefill_logprobs[1:]) == pytest.approx(expected, abs=1e-3)
    assert answer.tokens == greedy(tiny[1], tokens, 2)


def test_cancelling_frees_the_slot(make_engine: MakeEngine) -> None:
    engine = make_engine(slots=1)
    long = engine.submit(prompt(tokens_of(1, 5), 900))
    assert long.first.wait(30)
    queued = engine.submit(prompt(tokens_of(3, 5), 900))
    following = engine.submit(prompt(tokens_of(2, 5), 3))
    engine.engine.cancel(queued.request)
    assert not following.ended.wait(0.05)
    engine.engine.cancel(long.request)
    assert len(following.wait().tokens) <= 3
    assert not queued.events
    assert not long.ended.is_set()
    assert engine.engine.running == 0


def test_closing_fails_open_requests_and_later_ones(make_engine: MakeEngine) -> None:
    engine = make_engine(slots=1)
    answers = [engine.submit(prompt(tokens_of(1, 5), 900)) for _ in range(2)]
    engine.engine.close()
    assert [answer.wait().failure for answer in answers] == ["the engine was closed"] * 2
    assert engine.submit(prompt([5], 1)).wait().failure == "the engine is not running"
    assert not engine.engine.healthy


def test_a_failing_step_fails_its_requests_and_the_engine_goes_on(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine()
    decode = RunningBatch.decode

    def fail(batch: object) -> None:
        monkeypatch.setattr(RunningBatch, "decode", decode)
        raise RuntimeError("out of memory")

    monkeypatch.setattr(RunningBatch, "decode", fail)
    assert engine.submit(prompt(tokens_of(1, 5))).wait().failure == "out of memory"
    assert engine.submit(prompt(tokens_of(1, 5))).wait().failure is None


@pytest.mark.parametrize("new_tokens", [1, 5])
def test_a_failing_prefill_fails_its_requests_and_the_engine_goes_on(
    new_tokens: int, make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine()
    prefill = CausalLM.prefill

    def fail(*arguments: object) -> None:
        monkeypatch.setattr(CausalLM, "prefill", prefill)
        raise RuntimeError("out of memory")

    monkeypatch.setattr(CausalLM, "prefill", fail)
    assert engine.submit(prompt(tokens_of(1, 5), new_tokens)).wait().failure == "out of memory"
    assert engine.submit(prompt(tokens_of(1, 5), new_tokens)).wait().failure is None


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(greedy=False, temperature=0.8, seed=11),
        Sampling(greedy=False, top_p=0.9, seed=12),
        Sampling(greedy=False, top_k=5, seed=13),
        Sampling(greedy=False, top_k=40, top_p=0.5, temperature=1.5, seed=14),
    ],
)
def test_a_seed_gives_the_same_text_alone_and_in_a_batch(
    sampling: Sampling, make_engine: MakeEngine
) -> None:
    tokens = tokens_of(1, 30)
    alone = make_engine(slots=4).submit(prompt(tokens, 20, sampling=sampling)).wait()
    crowd = make_engine(slots=8)
    others = [
        crowd.submit(prompt(tokens_of(n, 10), 30, sampling=Sampling(greedy=False, seed=n)))
        for n in range(6)
    ]
    beside = crowd.submit(prompt(tokens, 20, sampling=sampling)).wait()
    assert beside.tokens == alone.tokens
    for other in others:
        other.wait()


def test_repetition_penalty_equals_transformers(tiny: Tiny, make_engine: MakeEngine) -> None:
    tokens = tokens_of(4, 20)
    answer = make_engine().submit(prompt(tokens, 20, sampling=Sampling(repetition_penalty=1.7)))
    ids = torch.tensor([tokens])
    expected = tiny[1].generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=20,
        do_sample=False,
        repetition_penalty=1.7,
        pad_token_id=1,
    )[0, 20:]
    assert answer.wait().tokens == expected.tolist()


def test_a_single_token_does_not_wait_for_a_free_row(tiny: Tiny, make_engine: MakeEngine) -> None:
    engine = make_engine(slots=1)
    holds_the_row = engine.submit(prompt(tokens_of(1, 5), 900))
    assert holds_the_row.first.wait(60)
    waits_for_the_row = engine.submit(prompt(tokens_of(2, 5), 2))
    assert engine.engine.reserved_tokens == 5 + 900
    scored = engine.submit(prompt(tokens_of(3, 5), 1)).wait()
    assert scored.tokens == greedy(tiny[1], tokens_of(3, 5), 1)
    assert not waits_for_the_row.events
    assert not holds_the_row.ended.is_set()
    engine.engine.cancel(holds_the_row.request)
    assert waits_for_the_row.wait().tokens == greedy(tiny[1], tokens_of(2, 5), 2)
