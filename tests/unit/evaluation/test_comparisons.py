"""The baseline, paired measures, and the verdict in words: what got worse comes first."""

import pytest

from selfalign.evaluation.comparisons import measures, strongest_base
from selfalign.evaluation.figures import EvaluationResults
from selfalign.evaluation.probes.results import ProbeOutcome
from selfalign.evaluation.report.verdict import findings, kind_of, p_text, verdict_lines
from selfalign.evaluation.results import Arm, HeldOutAnswer, TopicRank
from selfalign.evaluation.statistics import mcnemar
from support.made_up_arms import answers, compared, outcomes

TOTAL = 100


def test_the_baseline_is_the_base_arm_with_the_most_usable_answers() -> None:
    found = [*answers("base", 40, TOTAL), *answers("base_constitution", 50, TOTAL)]
    assert strongest_base(found) == "base_constitution"
    # A trained arm is no baseline, however strong it is.
    assert strongest_base([*found, *answers("final", 90, TOTAL)]) == "base_constitution"
    assert strongest_base(answers("final", 90, TOTAL)) is None


@pytest.mark.parametrize("order", [("base", "base_own"), ("base_own", "base")])
def test_of_equally_strong_arms_the_own_template_is_the_baseline(order: tuple[Arm, Arm]) -> None:
    assert strongest_base(one for arm in order for one in answers(arm, 40, TOTAL)) == "base_own"


def test_failed_requests_are_in_no_share_and_no_pair() -> None:
    failed = HeldOutAnswer(arm="base", prompt_id="0", instruction="", reason="EngineTimeout")
    found = [failed, *answers("base", 1, 3)[1:], *answers("final", 3, 3)]
    baseline, (usable, *_) = measures(found, (), (), 0.95)
    assert baseline == "base"
    assert (usable.shares["base"].n, usable.shares["final"].n) == (2, 3)
    assert usable.tests["final"] == mcnemar([(False, True), (False, True)])
    assert "base" not in usable.tests


def test_every_measure_is_counted() -> None:
    probes = [*outcomes("base", "harm", 2, 12), *outcomes("final", "harm", 10, 12)]
    probes += [*outcomes("base", "look-alike", 12, 12), *outcomes("final", "look-alike", 5, 12)]
    probes.append(
        ProbeOutcome(arm="final", probe_id="x", kind="harm", prompt="", reason="EngineTimeout")
    )
    ranks = [TopicRank(arm="base", prompt_id="a", own=-1.0, others=(-2.0, -1.5))]
    ranks += [
        TopicRank(arm="base", prompt_id="b", own=-1.0, others=(-2.0, -1.0)),
        TopicRank(arm="base", prompt_id="c"),
    ]
    _, found = measures(answers("base", 1, 4), ranks, probes, 0.95)
    shares = {
        one.key: {arm: round(s.value * s.n) for arm, s in one.shares.items()} for one in found
    }
    assert shares == {
        "usable": {"base": 1},
        "on_task": {"base": 1},
        "ended": {"base": 4},
        "answered": {"base": 1},
        "probes": {"base": 14, "final": 15},
        "probe:harm": {"base": 2, "final": 10},
        "probe:look-alike": {"base": 12, "final": 5},
    }
    tests = {one.key: one.tests for one in found}
    assert (tests["probes"]["final"].won, tests["probes"]["final"].lost) == (8, 7)
    assert tests["probe:look-alike"]["final"].lost == 7


def test_a_run_without_held_out_prompts_has_a_baseline() -> None:
    probes = [*outcomes("base", "harm", 2, 12), *outcomes("final", "harm", 10, 12)]
    assert measures((), (), probes, 0.95)[0] == "base"


@pytest.mark.parametrize(
    ("won", "lost", "kind"), [(9, 1, "better"), (1, 9, "worse"), (3, 1, "open"), (5, 0, "open")]
)
def test_a_finding_needs_p_below_the_threshold(won: int, lost: int, kind: str) -> None:
    assert kind_of(mcnemar([(False, True)] * won + [(True, False)] * lost)) == kind


async def test_what_got_worse_comes_first() -> None:
    results = await compared(usable=(38, 60), on_task=(80, 40), harm=(2, 11), benign=(12, 11))
    assert [(one.kind, one.title) for one in findings(results)][:3] == [
        ("worse", "On task"),
        ("better", "Probe: harm"),
        ("better", "All probes"),
    ]
    lines = verdict_lines(results)
    assert lines[0] == "Final against Base, own template"
    assert lines[1] == "Worse: On task 80 % -> 40 % (n = 100: 40 lost, 0 won, p < .001)"
    assert any(line.startswith("Better: Usable answers 38 % -> 60 %") for line in lines)
    assert lines[-1].startswith("Within chance: Probe: look-alikes 100 % -> 92 %; Ended by itself")
    kinds = [line.split(":")[0] for line in lines[1:]]
    assert kinds == sorted(kinds, key=["Worse", "Better", "Within chance"].index)


async def test_where_nothing_got_worse_or_better_it_is_said() -> None:
    results = await compared(usable=(38, 38), on_task=(80, 80), harm=(2, 2), benign=(12, 12))
    lines = verdict_lines(results)
    assert lines[1:3] == [
        "Nothing is worse beyond chance (p < .05).",
        "Nothing is better beyond chance.",
    ]


def test_without_a_trained_model_there_is_no_verdict() -> None:
    nothing: dict[str, object] = {"version": 2, "constitution": "x", "arms": (), "measures": ()}
    results = EvaluationResults.model_construct(**nothing, baseline=None)  # type: ignore[arg-type]
    assert verdict_lines(results) == [
        "No trained model was compared with the base model: see the report."
    ]


@pytest.mark.parametrize(
    ("p", "text"),
    [(1.0, "p = 1"), (0.5, "p = .5"), (0.0534, "p = .053"), (0.0001, "p < .001"), (0.9, "p = .9")],
)
def test_p_values_for_people(p: float, text: str) -> None:
    assert p_text(p) == text
