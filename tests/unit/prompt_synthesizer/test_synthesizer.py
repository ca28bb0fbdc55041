"""Synthesizer over a scripted engine: accounting, quotas, seeds, order, failures."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from selfalign.errors import (
    EngineRejected,
    EngineTimeout,
    EngineUnavailable,
    PromptTooLong,
    SelfAlignError,
)
from selfalign.inference.contract.engine import Completion
from selfalign.prompt_synthesizer.seeds import load_task_seeds, load_topic_seeds
from selfalign.prompt_synthesizer.synthesis_requests import SynthesisRequest, in_order
from selfalign.prompt_synthesizer.synthesizer import Synthesizer
from selfalign.prompt_synthesizer.synthesizer_settings import (
    PromptSynthesizerSettings,
    TopicGuidedSettings,
    TopicSettings,
)
from selfalign.prompt_synthesizer.topic_guided import Hint
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.rows import Row, RowStatus, prompt_id
from support.scripted_engine import ScriptedEngine

Script = Callable[[str, SamplingParams, int | None], str | Completion | Exception]
ART = "Questions that require art"


def synthesizer(script: Script, **changes: object) -> tuple[Synthesizer, ScriptedEngine]:
    engine = ScriptedEngine(script)
    settings = PromptSynthesizerSettings.model_validate(changes)
    made = Synthesizer(engine, settings, load_task_seeds(), load_topic_seeds(), model_id="scripted")
    return made, engine


async def collect(rows: AsyncIterator[Row]) -> list[Row]:
    return [row async for row in rows]


def numbered_topics(prompt: str, params: SamplingParams, seed: int | None) -> str:
    """Three topics of its own for each completion, and one known to all."""
    return f"2. Topic{seed}a\n3. Topic{seed}b\n4. Same\n5. not capital\n"


async def test_topics_until_the_quota_and_no_further() -> None:
    made, engine = synthesizer(numbered_topics)
    rows = await collect(made.brainstorm(ART, ["Known"], 4, 7, 100))
    accepted = [row.topic for row in rows if row.status is RowStatus.ACCEPTED]
    assert len(accepted) == 4
    assert accepted[2] == "Same"
    assert Counter(row.reason for row in rows) == {
        "": 4,
        "bad_topic_capital": 2,
        "surplus": 1,
        "duplicate_topic": 1,
    }
    assert len({row.row_id for row in rows}) == len(rows)
    assert all(row.source == "topic" and row.question_type == ART for row in rows)
    assert len(engine.calls) <= 2 + TopicSettings().lookahead


async def test_known_topics_come_back_as_duplicates_in_any_case() -> None:
    made, _ = synthesizer(lambda *_: "2. SILK\n3. Tea\n")
    rows = await collect(made.brainstorm(ART, ["Silk"], 1, 7, 1))
    assert [(row.topic, row.reason) for row in rows] == [("SILK", "duplicate_topic"), ("Tea", "")]


async def test_a_type_that_never_reaches_its_quota_ends() -> None:
    made, engine = synthesizer(lambda *_: "2. Tea\n")
    rows = await collect(made.brainstorm(ART, ["Silk"], 5, 7, 6))
    assert len(engine.calls) == len(rows) == 6
    assert sum(row.status is RowStatus.ACCEPTED for row in rows) == 1


async def test_topics_do_not_depend_on_which_answer_comes_first() -> None:
    class Slow(ScriptedEngine):
        async def generate(
            self, prompt: str, params: SamplingParams, *, seed: int | None, deadline_s: float
        ) -> Completion:
            await asyncio.sleep(((seed or 0) * 7919 % 10) / 1000)
            return await super().generate(prompt, params, seed=seed, deadline_s=deadline_s)

    results = []
    for kind in (ScriptedEngine, Slow):
        engine = kind(lambda prompt, _, seed: f"2. Topic{hash((prompt, seed)) % 1000}\n")
        made = Synthesizer(engine, PromptSynthesizerSettings(), (), (), model_id="scripted")
        results.append(await collect(made.brainstorm(ART, ["Known"], 20, 7, 100)))
    assert results[0] == results[1]


TASKS = (
    " Say hello to the king.\n6. Input:\n<noinput>\n###\n7. Instruction: Draw it.\n7. Input:\nx\n"
)


async def test_instructions_as_written() -> None:
    listed = " Sort the words:\n- b\n- a\n6. Input:\n<noinput>\n###\n"
    made, _ = synthesizer(lambda *_: listed, instructions="as_written")
    (row,) = await collect(made.self_instruct(1, 11))
    assert (row.instruction, row.reason) == ("Sort the words:\n- b\n- a", "")
    for layout, text in (("line", " Say  it.\n"), ("list", HINTED)):
        made, _ = synthesizer(
            lambda *_, text=text: text, instructions="as_written", topic_guided={"layout": layout}
        )
        (row,) = await collect(made.topic_guided([Hint(ART, "Silk")], 11))
        assert (row.instruction, row.reason) == ("Say  it.", "")


HINTED = "6. type: Instructions that require art, topic: Silk, instruction: Say  it. \n7. type:"


async def test_self_instruct_rows() -> None:
    made, engine = synthesizer(lambda *_: TASKS)
    rows = await collect(made.self_instruct(3, 11))
    assert len(engine.calls) == 3
    assert len({prompt for prompt, _, _ in engine.calls}) == 3
    assert len({seed for _, _, seed in engine.calls}) == 3
    assert [row.reason for row in rows] == ["", "too_short"] * 3
    first, second = rows[:2]
    assert first.status is RowStatus.ACCEPTED
    assert first.prompt_id == prompt_id("Say hello to the king.", "")
    assert (first.instruction, first.input, first.source) == (
        "Say hello to the king.",
        "",
        "self_instruct",
    )
    assert (second.instruction, second.input) == ("Draw it.", "x")
    assert first.completion + second.completion == TASKS
    assert first.completion_tokens > 0
    assert second.completion_tokens == second.prompt_tokens == 0
    assert first.seed == second.seed == engine.calls[0][2]
    assert first.model_id == "scripted"
    assert rows == await collect(made.self_instruct(3, 11))
    other = await collect(made.self_instruct(3, 12))
    assert not {row.row_id for row in rows} & {row.row_id for row in other}


def answer_hints(prompt: str, params: SamplingParams, seed: int | None) -> str:
    """Fulfils a list prompt properly."""
    lines = re.findall(r"^(?:[6-9]|10)\. type: .*$", prompt.split(" Instructions:\n")[0], re.M)
    return "\n".join(f"{line}, instruction: Explain it {line[:2]}" for line in lines)


@pytest.mark.parametrize("count", [1, 5, 6, 12])
async def test_one_row_for_each_hint(count: int) -> None:
    made, engine = synthesizer(answer_hints)
    hints = [Hint(ART, f"Topic {number}") for number in range(count)]
    rows = await collect(made.topic_guided(hints, 3))
    assert [row.topic for row in rows] == [hint.topic for hint in hints]
    assert all(row.status is RowStatus.ACCEPTED for row in rows), [row.reason for row in rows]
    assert len(engine.calls) == -(-count // 5)
    assert sum(row.completion_tokens > 0 for row in rows) == len(engine.calls)
    assert len({row.row_id for row in rows}) == count


async def test_the_line_layout_gives_the_lead_and_stops_at_the_newline() -> None:
    settings = TopicGuidedSettings(layout="line")
    made, engine = synthesizer(lambda *_: " Who wove it?", topic_guided=settings.model_dump())
    rows = await collect(made.topic_guided([Hint(ART, "Silk"), Hint(ART, "Silk")], 3))
    assert [row.instruction for row in rows] == ["Who wove it?"] * 2
    assert len({row.row_id for row in rows}) == 2
    assert all(prompt.endswith(", topic: Silk, instruction:") for prompt, _, _ in engine.calls)
    assert all(params.stop == ("\n",) for _, params, _ in engine.calls)


@pytest.mark.parametrize(
    "error",
    [
        EngineTimeout("slow"),
        EngineRejected("422"),
        EngineUnavailable("down"),
        PromptTooLong("long"),
    ],
)
async def test_a_failed_completion_fails_its_rows_only(error: SelfAlignError) -> None:
    def script(prompt: str, params: SamplingParams, seed: int | None) -> str | Exception:
        failing = seed in failed
        return error if failing else answer_hints(prompt, params, seed) or TASKS

    failed: set[int] = set()
    made, _ = synthesizer(script)
    hints = [Hint(ART, f"Topic {number}") for number in range(12)]
    good = await collect(made.topic_guided(hints, 3))
    seeds = list(dict.fromkeys(row.seed for row in good))
    failed.add(seeds[1])
    rows = await collect(made.topic_guided(hints, 3))
    assert [row.status.value for row in rows] == ["accepted"] * 5 + ["failed"] * 5 + [
        "accepted"
    ] * 2
    assert {(row.reason, row.evidence) for row in rows[5:10]} == {
        (type(error).__name__, str(error))
    }
    assert [row.row_id for row in rows] == [row.row_id for row in good]

    failed = {made.self_instruct_request(3, 0).seed}
    rows = await collect(made.self_instruct(2, 3))
    assert [row.status.value for row in rows] == ["failed", "accepted", "rejected"]


async def test_a_completion_without_anything_still_has_a_row() -> None:
    made, _ = synthesizer(lambda *_: "")
    assert [row.reason for row in await collect(made.brainstorm(ART, [], 1, 1, 1))] == ["empty"]
    assert [row.reason for row in await collect(made.self_instruct(1, 1))] == ["malformed"]
    rows = await collect(made.topic_guided([Hint(ART, "Silk")], 1))
    assert [row.reason for row in rows] == ["missing_line"]


class Counting(ScriptedEngine):
    """Knows how many calls are under way at once, and which were cancelled."""

    now = most = cancelled = 0

    async def generate(
        self, prompt: str, params: SamplingParams, *, seed: int | None, deadline_s: float
    ) -> Completion:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.002)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.now -= 1
        return await super().generate(prompt, params, seed=seed, deadline_s=deadline_s)


async def test_completions_under_way_are_bounded_over_all_streams() -> None:
    engine = Counting(lambda *_: TASKS)
    made = Synthesizer(engine, PromptSynthesizerSettings(max_in_flight=3), load_task_seeds(), ())
    streams = [collect(made.self_instruct(10, seed)) for seed in range(3)]
    assert [len(rows) for rows in await asyncio.gather(*streams)] == [20] * 3
    assert engine.most == 3


async def test_closing_a_stream_cancels_its_completions() -> None:
    engine = Counting(lambda *_: TASKS)
    made = Synthesizer(engine, PromptSynthesizerSettings(max_in_flight=4), load_task_seeds(), ())
    rows = made.self_instruct(100, 1)
    await anext(rows)
    await asyncio.sleep(0)
    await rows.aclose()
    assert engine.now == 0
    assert engine.cancelled > 0
    assert len(engine.calls) < 10


async def test_in_order_makes_a_request_only_after_its_predecessors_were_handled() -> None:
    handled: list[int] = []

    def make(number: int) -> SynthesisRequest | None:
        assert len(handled) >= number - 2, (number, handled)
        return SynthesisRequest(str(number), SamplingParams(), number) if number < 9 else None

    async def ask(number: int, request: SynthesisRequest) -> str:
        await asyncio.sleep((9 - number) / 2000)
        return request.prompt

    async for answer in in_order(make, ask, 3):
        assert answer == str(len(handled))
        handled.append(int(answer))
    assert handled == list(range(9))


async def test_a_user_s_turn_is_one_row_and_judged() -> None:
    answers: list[str | Completion | Exception] = [
        " How do bees find their way?\n\nThey fly far.\n",
        "Tell me more",
        "Hello there, my friend",
        "",
        Completion("And what does one do if the", "length", 3, 7, 2.0),
        EngineTimeout("late"),
    ]
    made, engine = synthesizer(lambda prompt, params, seed: answers[len(engine.calls) - 1])
    rows = await collect(made.user_turns("template", "<user>", "", len(answers), 5))
    assert [(row.status, row.reason) for row in rows] == [
        (RowStatus.ACCEPTED, ""),
        (RowStatus.REJECTED, "too_short"),
        (RowStatus.REJECTED, "bad_ending"),
        (RowStatus.REJECTED, "empty"),
        (RowStatus.REJECTED, "truncated"),
        (RowStatus.FAILED, "EngineTimeout"),
    ]
    assert rows[0].instruction == "How do bees find their way?\n\nThey fly far."
    assert rows[0].prompt_id == prompt_id(rows[0].instruction)
    assert rows[4].completion_tokens == 7
    assert len({row.row_id for row in rows}) == len({seed for _, _, seed in engine.calls}) == 6
    assert {(prompt, params.temperature, params.top_p) for prompt, params, _ in engine.calls} == {
        ("<user>", 0.8, 0.95)
    }


async def test_a_turn_goes_on_from_its_opening() -> None:
    answers = [" peel garlic quickly?", "  ", "What is so good about tea?"]
    made, engine = synthesizer(lambda prompt, params, seed: answers[len(engine.calls) - 1])
    rows = await collect(
        made.user_turns("template", "<user>", "", 3, 5, ("How do I", "Tell me how", ""))
    )
    assert [prompt for prompt, _, _ in engine.calls] == [
        "<user>How do I",
        "<user>Tell me how",
        "<user>",
    ]
    assert [(row.instruction, row.completion, row.reason) for row in rows] == [
        ("How do I peel garlic quickly?", answers[0], ""),
        ("", answers[1], "empty"),
        (answers[2], answers[2], ""),
    ]
    engine.calls.clear()
    free = await collect(made.user_turns("template", "<user>", "", 3, 5))
    assert [row.seed for row in free] == [row.seed for row in rows]
