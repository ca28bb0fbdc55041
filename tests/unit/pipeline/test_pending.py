"""The worker's book-keeping: any order of answers, repeats included, gives whole units once."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from selfalign.pipeline.units.assignment import Assignment
from selfalign.pipeline.units.pending import Pending
from selfalign.pipeline.units.units import RowUnit
from selfalign.storage.rows import PromptItem, Row, RowStatus


def unit(number: int, size: int) -> RowUnit:
    return RowUnit(
        number, tuple(PromptItem(f"{number}-{index}", f"text {index}") for index in range(size))
    )


def row(prompt_id: str) -> Row:
    return Row(row_id=prompt_id, prompt_id=prompt_id, status=RowStatus.ACCEPTED)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.randoms(), st.integers(0, 5))
def test_units_come_out_whole_and_once(sizes: list[int], random: Random, repeats: int) -> None:
    units = [unit(number, size) for number, size in enumerate(sizes)]
    pending = Pending(units)
    ids = [item.prompt_id for one in units for item in one.items]
    answers = ids + ids[:repeats]
    random.shuffle(answers)
    finished = [done for answer in answers if (done := pending.add(row(answer))) is not None]
    assert sorted(done.unit for done in finished) == list(range(len(sizes)))
    for done in finished:
        wanted = [item.prompt_id for item in units[done.unit].items]
        assert [one.prompt_id for one in done.rows] == wanted
    assert pending.left == 0
    assert list(pending.items()) == []


def test_only_open_items_are_asked_again() -> None:
    pending = Pending([unit(0, 3)])
    pending.add(row("0-1"))
    assert [item.prompt_id for item in pending.items()] == ["0-0", "0-2"]


def test_every_unit_has_just_one_worker_whatever_their_number() -> None:
    for count in (1, 2, 5):
        workers = [Assignment(stage="align", index=index, count=count) for index in range(count)]
        takers = [[worker for worker in workers if worker.takes(unit)] for unit in range(20)]
        assert all(len(taker) == 1 for taker in takers)
