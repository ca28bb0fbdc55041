"""Scores of given continuations: one contract for every dialect, and for servers with /score."""

from collections import deque

import pytest

from selfalign.answering.likelihood import likelihood_ratios
from selfalign.errors import EngineRejected, LogprobsUnsupported
from selfalign.inference.contract.engine import ContinuationScore
from selfalign.inference.dialects.register import DIALECTS
from support.engine_clients import client
from support.engine_double import EngineDouble

KINDS = tuple(DIALECTS)
# In the double, a token is as likely as it is long: a quarter of a nat a character.
CASES = {" Paris is nice.": (-3.75, 3), " Oui.": (-1.25, 1), "": (0.0, 0)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("route", [False, True])
async def test_continuations_are_scored_in_their_order(kind: str, route: bool) -> None:
    double = EngineDouble(score_route=route)
    async with client(kind, double) as engine:
        found = await engine.score("Where to? A:", list(CASES), deadline_s=10.0)
    assert found == [ContinuationScore(*expected) for expected in CASES.values()]
    assert [score.mean for score in found] == pytest.approx([-1.25, -1.25, 0.0])
    # One request where the server has the route, else one for each continuation.
    assert len(double.requests) == (1 if route and kind == "tgi" else 3)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_across_the_border(kind: str) -> None:
    async with client(kind, EngineDouble()) as engine:
        (found,) = await engine.score("Where to", ["day is"], deadline_s=10.0)
    # " today" is one token: of the continuation by ids, of the prompt by offsets.
    expected = ContinuationScore(-2.25, 2) if kind == "tgi" else ContinuationScore(-0.75, 1)
    assert found == expected


@pytest.mark.parametrize("kind", KINDS)
async def test_an_engine_without_log_probabilities_is_named_and_not_asked_again(kind: str) -> None:
    double = EngineDouble(scores_prompts=False)
    async with client(kind, double) as engine:
        with pytest.raises(LogprobsUnsupported, match=r"http://127\.0\.0\.1"):
            await engine.score("Q", [" A"], deadline_s=10.0)
    assert len(double.requests) == 1
    assert (LogprobsUnsupported.exit_code, LogprobsUnsupported.retry_helps) == (64, False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["424", "503", "cut", "bad-json", "429"])
async def test_faults_that_pass(kind: str, fault: str) -> None:
    double = EngineDouble(faults=deque([fault]))
    async with client(kind, double) as engine:
        assert (await engine.score("Q", [" A b"], deadline_s=10.0))[0].tokens == 2
    assert len(double.requests) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_that_is_refused(kind: str) -> None:
    async with client(kind, EngineDouble(faults=deque(["422"]))) as engine:
        with pytest.raises(EngineRejected, match="422"):
            await engine.score("Q", [" A"], deadline_s=10.0)


@pytest.mark.parametrize("kind", KINDS)
async def test_likelihood_ratio_is_zero_where_the_question_plays_no_part(kind: str) -> None:
    async with client(kind, EngineDouble()) as engine:
        assert await likelihood_ratios(engine, "Q: x A:", "Q: A:", [" b c"], 10.0) == [0.0]
