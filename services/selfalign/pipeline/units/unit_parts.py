"""Which units have their part already."""

from collections.abc import Iterable

from selfalign.storage.store import Store
from selfalign.storage.tables import PART_NAME, list_parts, part_name


def missing_parts(store: Store, prefix: str, numbers: Iterable[int], attempt: int) -> set[int]:
    """Those of the units `numbers` that have no part of this attempt yet."""
    done = set(list_parts(store, prefix))
    return {unit for unit in numbers if part_name(unit, attempt) not in done}


def next_attempt(store: Store, prefix: str) -> int:
    """One more than any part's attempt, so that a resumed run never reuses a number."""
    names = list_parts(store, prefix)
    matches = [match for name in names if (match := PART_NAME.fullmatch(name))]
    return max((int(match["attempt"] or 1) for match in matches), default=1) + 1
