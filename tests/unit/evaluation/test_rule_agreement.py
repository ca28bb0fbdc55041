"""Citations and the probe of claimed rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import EngineRejected, LogprobsUnsupported
from selfalign.evaluation.rule_agreement import (
    agreeing_rules,
    agreement,
    centre,
    citations,
    ranking,
    top_rules,
)
from selfalign.evaluation.rule_probe import (
    probe_prompt,
    probe_rules,
    probed_rows,
    ratio_prompt,
    rule_text,
)
from selfalign.inference.contract.engine import ContinuationScore
from selfalign.storage.rows import Row, RowStatus
from support import made_up_run
from support.made_up_run import HashEngine, answer

C = load_constitution()
ODDS = st.dictionaries(st.integers(1, 16), st.sampled_from([-1.0, 0.0, 0.5, 2.0]), min_size=2)


def tick(done: int, total: int) -> None:
    pass


def row(number: int, rules: tuple[int, ...], thoughts: str | None = None, type_: str = "") -> Row:
    name = f"row-{number}"
    names = {principle.id: principle.name for principle in C.principles}
    if thoughts is None:
        cited = ", ".join(f"{rule} ({names.get(rule, 'nonsense')})" for rule in rules)
        thoughts = f"{C.wording.rules_lead} {cited}." if rules else "Hm."
    return Row(
        row_id=name,
        prompt_id=name,
        status=RowStatus.ACCEPTED,
        question_type=type_,
        instruction=f"Message {number}",
        rules=rules,
        thoughts=thoughts,
    )


def test_a_citation_counts_where_number_and_name_agree() -> None:
    lead, names = C.wording.rules_lead, {p.id: p.name for p in C.principles}
    rows = (
        row(1, (1, 3), f"{lead} 1 ({names[1]}), 3 ({names[1]}), 5.", "boats"),
        row(2, (3, 99), f"{lead} 3 ({names[3].upper()}), 99 (nonsense).", "boats"),
        row(3, (3,), f"{lead} 3 ({names[1]})."),
    )
    assert [agreeing_rules(C, each) for each in rows] == [(1,), (3,), ()]
    found = citations(replace(made_up_run.inputs(), aligned=rows))
    by_rule = {each.rule: each for each in found.principles}
    assert (found.rows, found.without_rules, found.unknown) == (3, 1, 1)
    assert found.mean_rules == pytest.approx(2 / 3)
    assert (by_rule[1].rows, by_rule[3].rows, by_rule[5].rows) == (1, 1, 0)
    assert (by_rule[1].misnamed, by_rule[3].misnamed, by_rule[5].misnamed) == (0, 2, 1)
    assert by_rule[3].share is not None
    assert by_rule[3].share.value == pytest.approx(1 / 3)
    assert [each.rule for each in found.principles] == [p.id for p in C.principles]
    assert {name: (each.rows, each.rules) for name, each in found.types.items()} == {
        "boats": (2, {1: 1, 3: 1}),
        "": (1, {}),
    }


def test_citations_of_nothing() -> None:
    found = citations(replace(made_up_run.inputs(), aligned=()))
    assert (found.rows, found.mean_rules) == (0, 0.0)
    assert all(each.share is None for each in found.principles)


@dataclass
class Knowing(HashEngine):
    """Says yes where the rule is among those of the message, with a liking of its own for yes.

    Gives log-probabilities of prompts where `scores` is set.
    """

    scores: bool = False

    truth: dict[str, tuple[int, ...]] | None = None

    async def next_token_logprobs(
        self, prompt: str, candidates: Sequence[str], *, deadline_s: float
    ) -> list[float | None]:
        assert tuple(candidates) == (" yes", " no")
        for principle in C.principles:
            for message, rules in (self.truth or {}).items():
                if prompt == probe_prompt(principle, row(int(message), rules)):
                    bias = -0.5 * principle.id
                    return [bias + (1.0 if principle.id in rules else 0.0) - 1.0, -1.0]
        raise EngineRejected("unknown prompt")

    async def score(
        self, prompt: str, continuations: Sequence[str], *, deadline_s: float
    ) -> list[ContinuationScore]:
        if not self.scores:
            raise LogprobsUnsupported("none")
        assert list(continuations) == [rule_text(principle) for principle in C.principles]
        messages = {ratio_prompt(f"Message {name}"): r for name, r in (self.truth or {}).items()}
        rules = {ratio_prompt(""): (), **messages}[prompt]
        means = [-5.0 * p.id + (1.0 if p.id in rules else 0.0) for p in C.principles]
        return [ContinuationScore(mean * 4, 4) for mean in means]


@pytest.mark.parametrize(("scores", "method"), [(True, "ratio"), (False, "yes_no")])
async def test_a_model_that_knows_agrees_whatever_its_bias(scores: bool, method: str) -> None:
    truth = {"1": (1, 2), "2": (3,), "3": (15, 16, 4)}
    aligned = tuple(row(int(number), rules) for number, rules in truth.items())
    inputs = replace(made_up_run.inputs(), aligned=aligned)
    probes = await probe_rules(Knowing(answer, truth=truth, scores=scores), inputs, tick)
    found = agreement(inputs, probes)
    assert found is not None
    assert found.method == method
    assert found.overlap is not None
    assert found.ranking is not None
    assert (found.overlap.value, found.ranking.value) == (1.0, 1.0)
    assert found.chance_overlap == pytest.approx((2 + 1 + 3) / 3 / len(C.principles))
    assert [each.both for each in found.principles if each.rule in (1, 3, 16)] == [1, 1, 1]


async def test_a_model_that_guesses_agrees_by_chance() -> None:
    inputs = made_up_run.inputs(rows=450, probe_rows=300)
    probes = await probe_rules(HashEngine(answer), inputs, tick)
    found = agreement(inputs, probes)
    assert found is not None
    assert found.overlap is not None
    assert found.ranking is not None
    assert found.rows == 300
    assert found.overlap.value == pytest.approx(found.chance_overlap, abs=0.06)
    assert found.ranking.value == pytest.approx(0.5, abs=0.06)


async def test_requests_of_one_rule_are_neighbours() -> None:
    asked: list[str] = []

    class Recording(Knowing):
        async def next_token_logprobs(
            self, prompt: str, candidates: Sequence[str], *, deadline_s: float
        ) -> list[float | None]:
            asked.append(prompt)
            return [-1.0, -1.0]

    inputs = made_up_run.inputs(max_in_flight=3)
    await probe_rules(Recording(answer), inputs, tick)
    rules = [next(p.id for p in C.principles if f"Rule: {p.name}." in text) for text in asked]
    assert rules == sorted(rules)
    assert len(asked) == 10 * len(C.principles)


async def test_a_failed_request_costs_its_row() -> None:
    truth: dict[str, tuple[int, ...]] = {"1": (1, 2)}
    aligned = (row(1, (1, 2)), row(2, (3,)))
    inputs = replace(made_up_run.inputs(), aligned=aligned)
    probes = await probe_rules(Knowing(answer, truth=truth), inputs, tick)
    assert sorted(probe.reason for probe in probes) == ["", "EngineRejected"]
    found = agreement(inputs, probes)
    assert found is not None
    assert (found.rows, found.failed) == (1, 1)
    lost = agreement(inputs, [probe for probe in probes if probe.reason])
    assert lost is not None
    assert (lost.rows, lost.failed, lost.overlap) == (0, 1, None)
    assert agreement(inputs, []) is None


def test_the_sample_is_bounded_and_leaves_out_rows_that_tell_nothing() -> None:
    everything = tuple(principle.id for principle in C.principles)
    aligned = (row(1, ()), row(2, everything), row(3, (99,)), row(4, (5,)), row(5, (6,)))
    inputs = replace(made_up_run.inputs(), aligned=aligned)
    assert {each.prompt_id for each in probed_rows(inputs)} == {"row-4", "row-5"}
    assert len(probed_rows(replace(made_up_run.inputs(probe_rows=1), aligned=aligned))) == 1
    assert probed_rows(made_up_run.inputs(probe_rows=0)) == []


@given(ODDS, st.data())
def test_ranking_and_top_rules(odds: dict[int, float], data: st.DataObject) -> None:
    claimed = data.draw(st.sets(st.sampled_from(sorted(odds)), min_size=1, max_size=len(odds) - 1))
    rest = set(odds) - claimed
    pairs = [(odds[a] > odds[b]) + 0.5 * (odds[a] == odds[b]) for a, b in product(claimed, rest)]
    assert ranking(odds, claimed) == pytest.approx(sum(pairs) / len(pairs))
    assert ranking(odds, claimed) + ranking(odds, rest) == pytest.approx(1.0)
    top = top_rules(odds, len(claimed))
    assert len(top) == len(claimed)
    assert min(odds[rule] for rule in top) >= max((odds[r] for r in set(odds) - top), default=-9)


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=9))
def test_centred_rules_have_mean_zero(rows: list[tuple[float, float]]) -> None:
    centred = centre([{1: first, 2: second} for first, second in rows])
    for rule in (1, 2):
        assert sum(each[rule] for each in centred) == pytest.approx(0.0, abs=1e-6)
    assert centre([]) == []
