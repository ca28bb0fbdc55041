"""One instruction for each topic, as in the paper: a run has as many topics as that takes."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from selfalign.cli.__main__ import run as command
from selfalign.errors import ConfigError
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.run import Run, create_or_resume
from selfalign.pipeline.run.run_file import parse_run_config, parse_stored_config
from selfalign.pipeline.runner.preflight import prepare
from selfalign.pipeline.stages import prompts, topics
from selfalign.pipeline.stages.prompt_plan import draw_hints, plan_round, round_prefix
from selfalign.storage.open import open_store
from selfalign.storage.rows import Row, RowStatus
from selfalign.storage.tables import create_part, part_name
from support.reference import reference_path

PAIRS = 99_121
"""Types and topics of which the paper has an instruction each."""
PAPER = {
    "count": 366_718,
    "sources": {"self_instruct": 0.7297, "topic_guided": 0.2703},
    "max_per_topic": 1,
}


def config(folder: Path, **changes: Any) -> RunConfig:
    return parse_run_config(_text(folder, **changes), "run.yaml")


def _text(folder: Path, **changes: Any) -> str:
    values = {"name": "one", "store": f"{folder}/store", "model": {"base": "owner/model"}}
    return json.dumps({**values, **changes})


def row(number: int, hint: tuple[str, str], status: RowStatus = RowStatus.ACCEPTED) -> Row:
    kind, topic = hint
    return Row(
        row_id=f"{number:06d}",
        prompt_id=str(number),
        status=status,
        question_type=kind,
        topic=topic,
    )


def brainstormed(run: Run) -> list[tuple[str, str]]:
    """As many topics as the stage asks for, written to the store."""
    hints = [
        (unit.question_type, f"Topic {number}")
        for unit in topics.STAGE.units(run, 1)
        for number in range(unit.quota)
    ]
    rows = [row(number, hint) for number, hint in enumerate(hints)]
    create_part(run.store, f"{run.prefix('topics')}/{part_name(0)}", rows)
    return hints


@pytest.mark.parametrize("seeds", ["built in", "imported"])
def test_the_papers_numbers(seeds: str, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"profile": "paper", "prompts": PAPER}
    if seeds == "imported":
        published, folder = reference_path("dromedary", "prompts"), tmp_path / "stage1"
        assert command(["wording", "import", str(published), "-o", str(folder)]) == 0
        changes["topic_seeds"] = str(folder / "topic_seeds.jsonl")
    chosen = config(tmp_path, **changes)
    run = create_or_resume(open_store(chosen.store), chosen)[0]
    hints = brainstormed(run)
    assert len(Counter(kind for kind, _ in hints)) == 20
    asked = [hint for _, _, some, _ in plan_round(run, 0) for hint in some]
    # Each pair once, and so many that the usual share of instructions is enough.
    assert len(set(asked)) == len(asked)
    assert set(asked) <= set(hints)
    assert len(asked) * chosen.prompts.expected_per_hint >= PAIRS
    (cap,) = prompts.caps(run)
    assert (str(cap.reason), cap.at_most) == ("common_topic", 1)
    # Every type may use as many completions for a topic as by default: 400 for 150.
    quota = max(unit.quota for unit in topics.STAGE.units(run, 1))
    assert chosen.topics.max_completions >= 2.6 * quota


@pytest.mark.parametrize(
    ("changes", "count", "max_completions"),
    [
        ({}, 3000, 400),
        ({"prompts": {"max_per_topic": 1, "count": 100}}, 3000, 400),
        ({"prompts": {"max_per_topic": 1, "count": 9750}}, 3858, 515),
        ({"prompts": {"max_per_topic": 2, "count": 19750}}, 3858, 515),
        ({"prompts": {"max_per_topic": 1}}, 138_955, 18_528),
        ({"prompts": {"max_per_topic": 1}, "topics": {"max_completions": 9}}, 138_955, 9),
        ({"prompts": {"max_per_topic": 1}, "topics": {"count": 120_000}}, 120_000, 16_000),
        ({"prompts": {"max_per_topic": 1, "sources": {"self_instruct": 1}}}, 0, 400),
        ({"profile": "small", "prompts": {"max_per_topic": 1, "count": 40}}, 363, 49),
    ],
)
def test_topics_follow_from_the_prompts(
    changes: dict[str, Any], count: int, max_completions: int, tmp_path: Path
) -> None:
    found = config(tmp_path, **changes).topics
    assert (found.count, found.max_completions) == (count, max_completions)


def test_a_stored_run_keeps_its_number(tmp_path: Path) -> None:
    text = _text(tmp_path, prompts={"max_per_topic": 1}, topics={"count": 3000})
    assert parse_stored_config(text, "run.yaml").topics.count == 3000


def test_too_few_topics_are_refused_before_any_work(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (model / name).write_text("{}")
    chosen = config(
        tmp_path,
        prompts={"max_per_topic": 1},
        topics={"count": 3000},
        model={"base": str(model)},
    )
    message = (
        "topics.count is 3000, of which prompts.max_per_topic 1 keeps 3000 prompts at most; 97268 "
        r".*\(prompts.sources.topic_guided 0.27 of prompts.count 360000 and .* 250\)\. Leave "
        r"topics.count out, or raise it to 138955 "
    )
    store = open_store(chosen.store)
    with pytest.raises(ConfigError, match=message):
        prepare(store, chosen)
    assert not store.exists("one/run.yaml")


def test_a_later_round_begins_with_topics_that_gave_nothing(tmp_path: Path) -> None:
    changes = {"prompts": {"max_per_topic": 1, "count": 30}, "topics": {"count": 40}}
    chosen = config(tmp_path, **changes)
    run = create_or_resume(open_store(chosen.store), chosen)[0]
    hints = brainstormed(run)
    rows = [
        row(number, hint, RowStatus.REJECTED if number < 7 else RowStatus.ACCEPTED)
        for number, hint in enumerate(hints)
    ]
    create_part(run.store, f"{round_prefix(run, 0)}/{part_name(0)}", rows)
    drawn = draw_hints(run, 50, 1)
    assert set(drawn[:7]) == set(hints[:7])
    assert Counter(drawn[7:47]) == Counter(hints)
    assert drawn == draw_hints(run, 50, 1)
    assert set(draw_hints(run, 40, 0)) == set(hints)
