"""Do topics fit their type, and instructions their topic: scores, verdicts, accounting."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from selfalign.errors import EngineTimeout, LogprobsUnsupported, PromptTooLong, SelfAlignError
from selfalign.inference.contract.engine import ContinuationScore
from selfalign.prompt_synthesizer.fit import UNSCORED, Fit
from selfalign.prompt_synthesizer.fit_settings import FitSettings
from selfalign.prompt_synthesizer.seeds import load_task_seeds, load_topic_seeds
from selfalign.prompt_synthesizer.synthesizer import Synthesizer
from selfalign.prompt_synthesizer.synthesizer_settings import PromptSynthesizerSettings
from selfalign.prompt_synthesizer.topic_guided import Hint
from selfalign.storage.rows import Row, RowStatus
from support.scripted_engine import ScriptedEngine

ART = "Questions that require art"
TOPICS = "2. Silk\n3. Tea\n4. Silk\n5. not capital\n6. Jazz\n"
OFF, HALF = FitSettings(), FitSettings(min_ratio=0.5)


@dataclass
class Scoring(ScriptedEngine):
    """A continuation's mean log p is -1 behind a prompt that `likes` it, and -2 behind others."""

    likes: Callable[[str, str], bool | SelfAlignError] = lambda prompt, text: False
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    async def score(
        self, prompt: str, continuations: Sequence[str], *, deadline_s: float
    ) -> list[ContinuationScore]:
        self.asked.append((prompt, tuple(continuations)))
        found = [self.likes(prompt, text.removeprefix(" ")) for text in continuations]
        for one in found:
            if isinstance(one, SelfAlignError):
                raise one
        return [ContinuationScore(-3.0 if one else -6.0, 3) for one in found]


def row(topic: str, instruction: str = "", status: RowStatus = RowStatus.ACCEPTED) -> Row:
    name = f"{topic} {instruction}"
    return Row(
        row_id=name,
        prompt_id=name,
        status=status,
        question_type=ART,
        topic=topic,
        instruction=instruction,
    )


def made(engine: ScriptedEngine, fit: FitSettings = HALF) -> Synthesizer:
    settings = PromptSynthesizerSettings.model_validate(
        {"topics": {"fit": fit}, "topic_guided": {"layout": "line", "fit": fit}}
    )
    return Synthesizer(engine, settings, load_task_seeds(), load_topic_seeds())


@pytest.mark.parametrize(
    ("min_ratio", "liked", "reason", "score"),
    [
        (None, True, "", 0.0),
        (0.5, True, "", 1.0),
        (1.0, True, "", 1.0),
        (1.1, True, "off_type", 1.0),
        (0.5, False, "off_type", 0.0),
        (0.0, False, "", 0.0),
        (-0.5, False, "", 0.0),
    ],
)
async def test_a_topic_has_to_be_likelier_after_its_type(
    min_ratio: float | None, liked: bool, reason: str, score: float
) -> None:
    engine = Scoring(lambda *_: "", likes=lambda prompt, _: liked and prompt.startswith(ART))
    fit = Fit(engine, 1.0)
    (judged,) = await fit.topics([row("Silk")], ART, FitSettings(min_ratio=min_ratio))
    assert (judged.reason, judged.score) == (reason, score)
    assert judged.status is (RowStatus.REJECTED if reason else RowStatus.ACCEPTED)
    if reason:
        assert judged.evidence == (
            f"a likelihood ratio of {score:.3f}, less than {min_ratio:g}: {ART}"
        )
    else:
        assert not judged.evidence
    assert len(engine.asked) == (0 if min_ratio is None else 2)


async def test_the_topics_of_a_completion_are_scored_in_two_calls() -> None:
    engine = Scoring(lambda *_: "", likes=lambda _, text: text == "Silk")
    rows = [row("Silk"), row("bad", status=RowStatus.REJECTED), row("Tea")]
    judged = await Fit(engine, 1.0).topics(rows, ART, FitSettings(min_ratio=-1))
    assert engine.asked == [
        (f"{ART}\nTopic:", (" Silk", " Tea")),
        ("Questions\nTopic:", (" Silk", " Tea")),
    ]
    assert judged[1] is rows[1]


async def test_an_instruction_has_to_make_its_topic_likelier() -> None:
    engine = Scoring(lambda *_: "", likes=lambda prompt, text: text in prompt)
    rows = [
        row("Silk", "Who wove Silk?"),
        row("Tea", "Who wove it?"),
        row("Jazz", "", RowStatus.FAILED),
    ]
    judged = await Fit(engine, 1.0).instructions(rows, HALF)
    assert [(one.status.value, one.reason, one.score) for one in judged] == [
        ("accepted", "", 1.0),
        ("rejected", "off_topic", 0.0),
        ("failed", "", 0.0),
    ]
    assert judged[1].evidence == "a likelihood ratio of 0.000, less than 0.5: Tea"
    assert sorted(engine.asked) == [
        ("Instruction:\nTopic:", (" Silk",)),
        ("Instruction:\nTopic:", (" Tea",)),
        ("Instruction: Who wove Silk?\nTopic:", (" Silk",)),
        ("Instruction: Who wove it?\nTopic:", (" Tea",)),
    ]


async def test_topics_off_their_type_take_nothing_of_the_quota() -> None:
    def likes(prompt: str, text: str) -> bool:
        return prompt.startswith(ART) and text != "Tea"

    engine = Scoring(lambda *_: TOPICS, likes=likes)
    rows = [one async for one in made(engine).brainstorm(ART, ["Known"], 2, 7, 1)]
    assert [(one.topic, one.reason) for one in rows] == [
        ("Silk", ""),
        ("Tea", "off_type"),
        ("Silk", "duplicate_topic"),
        ("not capital", "bad_topic_capital"),
        ("Jazz", ""),
    ]
    assert [one.score for one in rows] == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert sum(one.completion_tokens > 0 for one in rows) == 1


async def test_an_engine_without_log_probabilities_rejects_nothing_and_says_so() -> None:
    engine = ScriptedEngine(lambda prompt, *_: TOPICS if "topics" in prompt else " Who wove it?")
    topics = [one async for one in made(engine).brainstorm(ART, ["Known"], 9, 7, 1)]
    accepted = [one for one in topics if one.status is RowStatus.ACCEPTED]
    assert [one.topic for one in accepted] == ["Silk", "Tea", "Jazz"]
    hints = [Hint(ART, "Silk"), Hint(ART, "Tea")]
    engine.script = lambda *_: " Who wove it?"
    prompts = [one async for one in made(engine).topic_guided(hints, 3)]
    assert [one.status for one in prompts] == [RowStatus.ACCEPTED] * 2
    assert {(one.evidence, one.score) for one in (*accepted, *prompts)} == {(UNSCORED, 0.0)}


@pytest.mark.parametrize("error", [EngineTimeout("slow"), PromptTooLong("long")])
async def test_every_hint_is_accepted_rejected_or_failed(error: SelfAlignError) -> None:
    verdicts: list[bool | SelfAlignError] = [True, False, error]

    def likes(prompt: str, text: str) -> bool | SelfAlignError:
        return text[-1] in "012" and prompt != "Instruction:\nTopic:" and verdicts[int(text[-1])]

    engine = Scoring(lambda *_: " Who wove it?", likes=likes)
    hints = [Hint(ART, f"Topic {number % 3}") for number in range(12)]
    rows = [one async for one in made(engine).topic_guided(hints, 3)]
    assert [one.topic for one in rows] == [hint.topic for hint in hints]
    assert Counter((one.status.value, one.reason) for one in rows) == {
        ("accepted", ""): 4,
        ("rejected", "off_topic"): 4,
        ("failed", type(error).__name__): 4,
    }
    assert all(one.completion_tokens > 0 for one in rows)


async def test_topics_fail_together_where_their_scores_do() -> None:
    engine = Scoring(lambda *_: TOPICS, likes=lambda *_: EngineTimeout("slow"))
    rows = [one async for one in made(engine).brainstorm(ART, ["Known"], 9, 7, 1)]
    assert [one.status.value for one in rows] == ["failed"] * 3 + ["rejected", "failed"]
    assert {one.evidence for one in rows if one.status is RowStatus.FAILED} == {"slow"}


async def test_nothing_is_scored_unless_asked_for() -> None:
    engine = Scoring(lambda *_: TOPICS, likes=lambda *_: LogprobsUnsupported("none"))
    rows = [one async for one in made(engine, OFF).brainstorm(ART, ["Known"], 9, 7, 1)]
    assert not engine.asked
    assert not any(one.evidence for one in rows if one.status is RowStatus.ACCEPTED)
    assert PromptSynthesizerSettings().topics.fit == OFF
    assert PromptSynthesizerSettings().topic_guided.fit == OFF
