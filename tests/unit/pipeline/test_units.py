"""Units: a pure function of run and store, and the split of held-out prompts."""

from dataclasses import replace

from selfalign.pipeline.stages import align, prompts, refine, topics
from selfalign.pipeline.stages.kinds.answer_stage import failed_ids
from selfalign.pipeline.stages.prompt_split import held_out_prompts, training_prompts
from selfalign.storage.rows import Row, RowStatus
from selfalign.storage.tables import create_part, part_name
from support.runs import MakeRun


def test_every_training_prompt_is_in_just_one_unit_and_no_held_out_one(make_run: MakeRun) -> None:
    run = make_run(prompts=11, held_out=3, rows_per_unit=3)
    units = align.STAGE.units(run, 1)
    ids = [item.prompt_id for unit in units for item in unit.items]
    assert [len(unit.items) for unit in units] == [3, 3, 2]
    assert ids == sorted(set(ids))
    held_out = {row.prompt_id for row in held_out_prompts(run)}
    assert len(held_out) == 3
    assert held_out.isdisjoint(ids)
    assert {row.prompt_id for row in training_prompts(run)} == set(ids)
    assert align.STAGE.units(run, 1) == units


def test_seeds_differ_by_stage_row_and_attempt(make_run: MakeRun) -> None:
    run = make_run()
    seeds = {
        item.seed
        for stage in (align.STAGE, refine.STAGE)
        for unit in stage.units(run, 1)
        for item in unit.items
    }
    assert len(seeds) == 16


def test_later_attempts_take_just_the_rows_that_still_fail(make_run: MakeRun) -> None:
    run = make_run(prompts=8, held_out=2, rows_per_unit=3)
    items = [item for unit in align.STAGE.units(run, 1) for item in unit.items]

    def rows(indices: list[int], status: RowStatus, attempt: int = 1) -> list[Row]:
        return [
            Row(row_id=i.prompt_id, prompt_id=i.prompt_id, status=status, attempt=attempt)
            for i in (items[index] for index in indices)
        ]

    prefix = run.prefix("align")
    first = rows([0, 1], RowStatus.ACCEPTED) + rows([2], RowStatus.FAILED)
    create_part(run.store, f"{prefix}/{part_name(0)}", first)
    create_part(run.store, f"{prefix}/{part_name(1)}", rows([3, 4, 5], RowStatus.FAILED))
    again = align.STAGE.units(run, 2)
    assert [(unit.unit, len(unit.items)) for unit in again] == [(0, 1), (1, 3)]
    assert all(item.attempt == 2 for unit in again for item in unit.items)
    assert again[0].items[0] != items[2]
    create_part(run.store, f"{prefix}/{part_name(0, 2)}", rows([2], RowStatus.ACCEPTED, 2))
    assert failed_ids(run, "align") == {items[index].prompt_id for index in (3, 4, 5)}


def test_topic_units_share_the_quota_and_prompt_rounds_differ(make_run: MakeRun) -> None:
    run = make_run(prompts=0)
    units = topics.STAGE.units(run, 1)
    assert len(units) == 20
    assert len({unit.seed for unit in units}) == 20
    assert sum(unit.quota for unit in units) >= run.config.topics.count
    rows = [
        Row(
            row_id=str(number),
            prompt_id=str(number),
            status=RowStatus.ACCEPTED,
            question_type=f"type {number % 3}",
            topic=f"Topic {number}",
        )
        for number in range(7)
    ]
    rejected = replace(rows[0], row_id="r", topic="Bad", status=RowStatus.REJECTED)
    create_part(run.store, f"{run.prefix('topics')}/{part_name(0)}", [*rows, rejected])
    first, second = prompts.STAGE.units(run, 1), prompts.STAGE.units(run, 2)
    assert [unit.unit for unit in first] == list(range(len(first)))
    assert {unit.source for unit in first} == {"self_instruct", "topic_guided"}
    hints = [hint for unit in first for hint in unit.hints]
    assert set(hints) <= {(row.question_type, row.topic) for row in rows}
    assert prompts.STAGE.units(run, 1) == first
    assert {unit.seed for unit in first}.isdisjoint({unit.seed for unit in second})
