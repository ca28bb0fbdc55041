"""Penalties on runs that come again, against the published sampler's way: scanning all runs."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selfalign.model_server.batching.repeated_runs import RepeatedRuns
from selfalign.model_server.batching.sampler import Sampling, SamplingState, sample

WORD_STARTS = frozenset({0, 1, 2})


def scanned(tokens: list[int], penalties: tuple[float, ...]) -> dict[int, float]:
    """Every run so far, compared with what each token would make of the text's end."""
    found: dict[int, float] = {}
    for token in WORD_STARTS:
        continued = [*tokens, token]
        for size, penalty in enumerate(penalties, 1):
            runs = [tuple(tokens[at : at + size]) for at in range(len(tokens) - size + 1)]
            count = runs.count(tuple(continued[-size:])) if len(continued) >= size else 0
            if penalty and count:
                found[token] = found.get(token, 0.0) + penalty * count
    return found


@given(
    st.lists(st.integers(0, 3), max_size=40),
    st.lists(st.sampled_from([0.0, 0.5, 2.0]), max_size=4).map(tuple),
)
def test_deductions_are_those_of_a_scan(tokens: list[int], penalties: tuple[float, ...]) -> None:
    runs = RepeatedRuns(penalties, WORD_STARTS)
    for token in tokens:
        runs.push(token)
    assert runs.deductions() == pytest.approx(scanned(tokens, penalties))


def test_a_token_that_would_repeat_a_run_is_less_likely() -> None:
    logits = torch.tensor([[1.0, 0.9, 0.0, 0.0]])
    runs = RepeatedRuns((0.0, 0.0, 1.0), WORD_STARTS)
    for token in (1, 2, 0, 1, 2):
        runs.push(token)
    state = SamplingState(Sampling(ngram_penalties=runs.penalties), runs=runs)
    assert sample(logits.clone(), [state])[0].token == 1
    assert runs.tokens[-1] == 1
    assert sample(logits.clone(), [state])[0].token == 0
