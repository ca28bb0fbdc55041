"""Sampling draws from the right distribution, cut where the parameters say."""

import math
import random
from collections import Counter

import pytest
import torch

from selfalign.model_server.batching.sampler import MAX_DRAWS, Sampling, SamplingState, sample

LOGITS = torch.tensor([[2.0, 1.0, 0.5, 0.0, -1.0, -3.0]])


def draws(sampling: Sampling, count: int = 4000) -> Counter[int]:
    state = SamplingState(sampling)
    return Counter(sample(LOGITS.clone(), [state])[0].token for _ in range(count))


def expected(temperature: float, kept: int) -> list[float]:
    weights = [math.exp(value / temperature) for value in LOGITS[0].tolist()]
    kept_weights = [weight if place < kept else 0.0 for place, weight in enumerate(weights)]
    return [weight / sum(kept_weights) for weight in kept_weights]


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(greedy=False, seed=1), 6),
        (Sampling(greedy=False, temperature=0.5, seed=2), 6),
        (Sampling(greedy=False, temperature=2.0, seed=3), 6),
        (Sampling(greedy=False, top_p=0.5, seed=4), 1),
        (Sampling(greedy=False, top_p=0.8, seed=5), 3),
        (Sampling(greedy=False, top_k=2, seed=6), 2),
        (Sampling(greedy=False, top_k=100, seed=7), 6),
        (Sampling(greedy=False, top_k=4, top_p=0.9, seed=8), 3),
    ],
)
def test_distribution(sampling: Sampling, kept: int) -> None:
    counts = draws(sampling)
    for token, share in enumerate(expected(sampling.temperature, kept)):
        assert counts[token] / 4000 == pytest.approx(share, abs=0.03)
        assert share > 0 or not counts[token]


def test_greedy_and_sampled_rows_share_a_step() -> None:
    logits = LOGITS.repeat(3, 1)
    states = [
        SamplingState(Sampling()),
        SamplingState(Sampling(greedy=False, temperature=100.0, top_k=1)),
        SamplingState(Sampling(greedy=True, top_n_tokens=2)),
    ]
    first, second, third = sample(logits, states)
    assert first.token == second.token == third.token == 0
    assert first.top == ()
    assert [token for token, _ in third.top] == [0, 1]
    assert first.logprob == pytest.approx(math.log(expected(1.0, 6)[0]))


def test_repetition_penalty_lowers_seen_tokens_of_both_signs() -> None:
    logits = torch.tensor([[1.0, -1.0, 0.9]])
    state = SamplingState(Sampling(repetition_penalty=2.0, top_n_tokens=3), {0, 1})
    choice = sample(logits, [state])[0]
    assert choice.token == 2
    gaps = dict(choice.top)
    assert gaps[0] - gaps[1] == pytest.approx(0.5 + 2.0)
    assert state.seen == {0, 1, 2}


def test_a_tiny_nucleus_on_a_flat_distribution_costs_few_draws() -> None:
    flat = torch.zeros(1, 50_000)
    flat[0, 123] = 1.0
    state = SamplingState(Sampling(greedy=False, top_p=1e-5, seed=9))
    assert sample(flat, [state])[0].token == 123
    same = random.Random(9)
    for _ in range(MAX_DRAWS + 1):
        same.random()
    assert state.draws.getstate() == same.getstate()
