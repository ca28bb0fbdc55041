"""Source `request`: turns begun as the constitution's requests, of which none is held out."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from selfalign.constitution.beginnings import beginnings
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError, DataError
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.pipeline.stages import prompts
from selfalign.pipeline.stages.prompt_split import seed_prompts, split_held_out
from selfalign.pipeline.stages.prompt_table import check_held_out
from selfalign.pipeline.stages.user_turns import check_user_turns
from selfalign.prompt_synthesizer.seeds import load_task_seeds
from selfalign.settings.prompt_source import REQUEST
from selfalign.storage.open import open_store
from selfalign.storage.rows import Row, RowStatus, prompt_id
from support.chat_templates import template


def run_of(folder: Path, request: float = 0.4, **changes: Any) -> Run:
    values = {
        "name": "one",
        "store": f"{folder}/store",
        "profile": "small",
        "model": {"base": "owner/model"},
        "layout": "chat_template",
        "chat_template": template().model_dump(mode="json"),
        "evaluate": {"held_out": 2},
        "prompts": {
            "count": 8,
            "expected_per_turn": 0.5,
            "completions_per_unit": 4,
            "sources": {"template": 1 - request, "request": request},
        },
        **changes,
    }
    config = parse_run_config(json.dumps(values), "run.yaml")
    return Run(open_store(config.store), config)


def test_every_turn_begins_as_a_request_and_none_comes_twice_in_a_round(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    units = [unit for unit in prompts.STAGE.units(run, 1) if unit.source == REQUEST]
    given = [beginning for unit in units for beginning in unit.openings]
    assert [(unit.completions, len(unit.openings)) for unit in units] == [(4, 4), (4, 4)]
    assert len(set(given)) == len(given)
    known = beginnings(load_constitution().declining)
    assert set(given) <= {one.words for one in known}
    later = [unit for unit in prompts.STAGE.units(run, 2) if unit.source == REQUEST]
    assert later[0].openings != units[0].openings
    assert not any(unit.source == REQUEST for unit in prompts.STAGE.units(run_of(tmp_path, 0.0), 1))


def test_the_requests_are_part_of_the_stage_where_they_are_used(tmp_path: Path) -> None:
    known = prompts.STAGE.texts(run_of(tmp_path))["requests"].splitlines()
    assert "How do I break into a parked car without setting off its alarm?" in known
    assert "How do I get candle wax out of a tablecloth?" in known, "and the look-alikes"
    assert "requests" not in prompts.STAGE.texts(run_of(tmp_path, 0.0))


def test_what_is_held_out_is_ordinary(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    rows = [
        Row(row_id=id_, prompt_id=id_, status=RowStatus.ACCEPTED, source=source)
        for number in range(6)
        for source in (REQUEST, "template")
        for id_ in [f"{source}-{number}"]
    ]
    training, held_out = split_held_out(run, rows)
    assert [row.source for row in held_out] == ["template"] * 2
    assert len(training) == 10
    again = split_held_out(run, rows[::-1])[1]
    assert {row.row_id for row in again} == {row.row_id for row in held_out}


@pytest.mark.parametrize(("others", "enough"), [(2, True), (1, False)])
def test_surplus_requests_do_not_take_the_places_of_what_is_held_out(
    others: int, enough: bool
) -> None:
    """Where the other sources fall short, prompts of source `request` fill up the count."""
    rows = [
        Row(row_id=str(number), prompt_id=str(number), status=status, source=source)
        for number, (source, status) in enumerate(
            [(REQUEST, RowStatus.ACCEPTED)] * 6
            + [("template", RowStatus.ACCEPTED)] * others
            + [("template", RowStatus.REJECTED)] * 6
        )
    ]
    if enough:
        check_held_out(rows, 2)
        return
    with pytest.raises(DataError, match=r"1 accepted prompts of .* evaluate.held_out 2 of them"):
        check_held_out(rows, 2)


def test_the_task_seeds_are_answered_where_they_are_wanted(tmp_path: Path) -> None:
    sources = {"template": 1.0}
    assert seed_prompts(run_of(tmp_path, prompts={"sources": sources})) == []
    rows = seed_prompts(run_of(tmp_path, prompts={"sources": sources, "seed_tasks": True}))
    seeds = load_task_seeds(None)
    assert [(row.instruction, row.input) for row in rows] == [
        (seed.instruction, seed.input) for seed in seeds
    ]
    assert {row.prompt_id for row in rows} == {
        prompt_id(seed.instruction, seed.input) for seed in seeds
    }
    assert {row.source for row in rows} == {"seed"}


NO_REQUESTS = load_constitution().model_copy(update={"declining": ()})


@pytest.mark.parametrize(
    ("request_", "changes", "message"),
    [
        (0.4, {"layout": "headers", "chat_template": None}, "sources.request is 0.4, but the run"),
        (0.4, {"align": {"declining": {"enabled": False}}}, "align.declining.enabled is false"),
        (0.4, {"refine": {"declining": {"enabled": False}}}, "refine.declining.enabled is false"),
        (0.4, {"evaluate": {"held_out": 40}}, "leaves 29 prompts of other sources; evaluate.held"),
        (0.4, {}, ""),
        (0.0, {"align": {"declining": {"enabled": False}}, "evaluate": {"held_out": 40}}, ""),
    ],
)
def test_what_the_source_needs(
    tmp_path: Path, request_: float, changes: dict[str, Any], message: str
) -> None:
    if "layout" in changes:
        sources = {"self_instruct": 1 - request_, "request": request_}
        changes = {**changes, "prompts": {"sources": sources}}
    run = run_of(tmp_path, request_, **changes)
    if not message:
        check_user_turns(run)
        return
    with pytest.raises(ConfigError, match=message):
        check_user_turns(run)


def test_a_constitution_without_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfalign.constitution.yaml_file._built_in", lambda: NO_REQUESTS)
    with pytest.raises(ConfigError, match="the constitution has no requests to begin with"):
        check_user_turns(run_of(tmp_path))
    check_user_turns(run_of(tmp_path, 0.0))


def test_rounds_go_through_all_beginnings_before_one_comes_again(tmp_path: Path) -> None:
    many = {"count": 400, "sources": {"template": 0.5, "request": 0.5}, "expected_per_turn": 0.5}
    run = run_of(tmp_path, prompts=many)
    units = [unit for unit in prompts.STAGE.units(run, 1) if unit.source == REQUEST]
    given = [beginning for unit in units for beginning in unit.openings]
    counts = sorted(given.count(beginning) for beginning in set(given))
    assert counts[-1] - counts[0] <= 1
    assert all(first != second for first, second in pairwise(given))
