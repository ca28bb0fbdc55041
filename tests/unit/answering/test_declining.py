"""Where a rule is due, what is answered there, and which prompts are the constitution's."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from selfalign.answering.declining import Declining, GivenOpening, misplaced, unturned
from selfalign.answering.declining_settings import DecliningSettings
from selfalign.answering.own_requests import SOURCE, answer_id, with_own_requests
from selfalign.answering.rule_due import MAX_ORDINARY, Due, known_ordinary
from selfalign.answering.rule_scores import quantile
from selfalign.constitution.yaml_file import load_constitution
from selfalign.filters.declining import declines
from selfalign.inference.contract.engine import ContinuationScore
from selfalign.settings.prompt_source import REQUEST, SEED
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.rows import PromptItem, Row, RowStatus, prompt_id
from support.scripted_engine import ScriptedEngine

C = load_constitution()
HARM, REAL_TIME = C.declining
ON = DecliningSettings(enabled=True)
ORDINARY = [f"Name {number} colours." for number in range(40)]
# A word of the prompt -> how much likelier it makes the harm rule's answers.
GAINS = {"steal": 4.0, "borrow": 0.3, "Name 1": 0.5, "Name 2": 0.2}


def ask(instruction: str, input: str) -> str:
    return f"<{instruction}>"


@dataclass
class Scoring(ScriptedEngine):
    """Finds the harm rule's answers likely where the prompt speaks of theft; there the second most,
    though the last is the likeliest everywhere."""

    async def score(
        self, prompt: str, continuations: Sequence[str], *, deadline_s: float
    ) -> list[ContinuationScore]:
        theft = next((gain for word, gain in GAINS.items() if word in prompt), 0.0)
        return [
            ContinuationScore(
                -9.0
                + (theft if one in HARM.answers else 0.0)
                + (theft / 4 if one == HARM.answers[1] else 0.0)
                + (3.0 if one == HARM.answers[-1] else 0.0),
                1,
            )
            for one in continuations
        ]


def scripted(text: str = "", scores: bool = True) -> ScriptedEngine:
    return (Scoring if scores else ScriptedEngine)(lambda prompt, params, seed: text)


def declining(engine: ScriptedEngine, settings: DecliningSettings = ON) -> Declining:
    return Declining(C, engine, settings, ORDINARY, 5.0)


def item(text: str, source: str = "self_instruct", number: int = 0) -> PromptItem:
    return PromptItem(answer_id(prompt_id(text), number), text, source=source)


def test_the_constitution_has_as_many_look_alikes_and_its_answers_decline() -> None:
    for one in C.declining:
        assert len(one.requests) == len(one.ordinary) == 24
        assert all(declines(answer) for answer in one.answers)


async def test_a_rule_is_due_where_its_answers_are_likely() -> None:
    due = await declining(scripted()).due(item("How can I steal a car?"), ask)
    assert due is not None
    assert (due.rule, due.answers[0]) == (1, HARM.answers[1])
    assert await declining(scripted()).due(item("How can I paint a car?"), ask) is None
    assert await declining(scripted()).due(item("Who can steal a base?", SEED), ask) is None


async def test_without_scores_the_constitutions_own_requests_are_still_known() -> None:
    blind = declining(scripted(scores=False))
    assert await blind.due(item("How can I steal a car?"), ask) is None
    due = await blind.due(item(REAL_TIME.requests[0], SOURCE), ask)
    assert due is not None
    assert (due.rule, due.answers) == (9, REAL_TIME.answers)
    assert await blind.due(item(REAL_TIME.ordinary[0], SOURCE), ask) is None


async def test_the_answers_to_one_request_differ() -> None:
    made = declining(scripted())
    found = [await made.due(item(HARM.requests[0], SOURCE, number), ask) for number in range(3)]
    assert len({due.answers[0] for due in found if due}) == 3


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Please ask a locksmith. However, take a wire. Then pull.", "Please ask a locksmith."),
        ("Please ask a locksmith. He has to", "Please ask a locksmith."),
        ("But here is how. Take a wire.", ""),
    ],
)
def test_a_completion_ends_before_it_turns_round(text: str, kept: str) -> None:
    assert unturned(text, complete=False) == kept


async def test_the_answer_is_a_short_one_of_the_constitution() -> None:
    due = Due(1, HARM.answers, "why")
    for continued, text in ((False, HARM.answers[0]), (True, f"{HARM.answers[0]} Call a friend.")):
        engine = scripted(" Call a friend. However, take a wire.")
        made = declining(engine, ON.model_copy(update={"continued": continued}))
        model = GivenOpening(engine, SamplingParams(), 5.0)
        attempt = await made.answer(due, "<q>", 3, model)
        assert (attempt.answer, attempt.rules, attempt.rejection) == (text, (1,), None)
        assert len(engine.calls) == continued


async def test_prompts_for_which_a_rule_is_due_may_be_left_out() -> None:
    made = declining(scripted(), ON.model_copy(update={"detected": "reject"}))
    due = Due(1, HARM.answers, "why")
    attempt = made.turned_down(item("How can I steal a car?"), due)
    assert attempt is not None
    assert attempt.rejection is not None
    assert attempt.rejection.reason == "due"
    assert made.turned_down(item(HARM.requests[0], SOURCE), due) is None


@pytest.mark.parametrize(
    ("text", "scores", "outcome"),
    [
        ("How do I poison a borrowed dog?", True, "declined"),
        ("How do I poison a dog in a book?", True, "undecided"),
        ("How do I beat egg yolks?", True, "answered"),
        ("How do I beat egg thieves who steal?", True, "undecided"),
        ("How do I oil a bike?", True, "answered"),
        ("How do I poison a borrowed dog?", False, "undecided"),
        ("How do I beat egg yolks?", False, "undecided"),
    ],
)
@pytest.mark.parametrize("detected", ["decline", "reject", "ignore"])
async def test_beginning_and_likelihood_must_agree(
    text: str, scores: bool, outcome: str, detected: str
) -> None:
    made = declining(scripted(scores=scores), ON.model_copy(update={"detected": detected}))
    due = await made.due(item(text, REQUEST), ask)
    turned_down = made.turned_down(item(text, REQUEST), due)
    if outcome == "undecided":
        assert turned_down is not None
        assert turned_down.rejection is not None
        assert turned_down.rejection.reason == "undecided"
        assert turned_down.rules == ()
        return
    assert turned_down is None
    assert (due.rule if due else None) == (1 if outcome == "declined" else None)


@pytest.mark.parametrize(
    ("answer", "due", "reason"),
    [
        ("Take a wire and pull.", True, "complied"),
        ("I can't help with that.", True, None),
        ("I can't help with that.", False, "declined"),
        ("Take a brush and paint.", False, None),
    ],
)
def test_an_answer_declines_where_a_rule_is_due_and_nowhere_else(
    answer: str, due: bool, reason: str | None
) -> None:
    found = misplaced(answer, Due(1, HARM.answers, "why") if due else None)
    assert (found.reason if found else None) == reason


def prompts(count: int) -> list[Row]:
    ids = sorted(prompt_id(f"Prompt {number}?") for number in range(count))
    return [Row(row_id=one, prompt_id=one, status=RowStatus.ACCEPTED) for one in ids]


def test_own_requests_stay_below_their_share_and_each_has_an_answer_first() -> None:
    requests = {text for rule in C.declining for text in rule.requests}
    for count in (40, 400, 4000):
        rows = with_own_requests(prompts(count), C.declining, ON)
        declined = [row.instruction for row in rows if row.instruction in requests]
        assert len(declined) / len(rows) <= ON.max_share
        assert len(declined) <= len(requests) or set(declined) == requests
        assert len({row.row_id for row in rows}) == len(rows)
        assert rows == sorted(rows, key=lambda row: row.prompt_id)
    assert len(declined) == 3 * len(requests)
    assert with_own_requests(prompts(40), C.declining, DecliningSettings()) == prompts(40)


@pytest.mark.parametrize("answers", [1, 3])
def test_look_alikes_have_answers_of_their_own(answers: int) -> None:
    settings = ON.model_copy(update={"answers_per_look_alike": answers})
    rows = with_own_requests(prompts(400), C.declining, settings)
    look_alikes = {text for rule in C.declining for text in rule.ordinary}
    assert sum(row.instruction in look_alikes for row in rows) == answers * len(look_alikes)
    assert len({row.row_id for row in rows}) == len(rows)


def test_thresholds_need_no_more_than_some_ordinary_requests() -> None:
    seeds = [f"Tell me about number {number}." for number in range(1000)]
    found = known_ordinary(C.declining, seeds)
    look_alikes = {text for rule in C.declining for text in rule.ordinary}
    assert len(found) == MAX_ORDINARY
    assert look_alikes < set(found)
    assert found == known_ordinary(C.declining, seeds[::-1])


def test_the_quantile_lies_between_its_neighbours() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([0.0, 1.0], 0.95) == pytest.approx(0.95)
    assert quantile([5.0], 0.95) == 5.0
