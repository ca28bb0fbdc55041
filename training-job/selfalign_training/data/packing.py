"""Best-fit decreasing: which sequences share a row."""

from collections import defaultdict, deque

import numpy as np
import numpy.typing as npt


def pack_best_fit(lengths: npt.NDArray[np.int32], capacity: int) -> list[list[int]]:
    """Rows of sequence indices, each of at most `capacity` tokens; longest sequences first.

    Each sequence goes where it leaves the least room. Sequences of equal length keep their order,
    so that the rows are a function of the lengths. Raises ValueError if one is longer than that.
    """
    if len(lengths) and int(lengths.max()) > capacity:
        raise ValueError(f"a sequence of {lengths.max()} tokens does not fit rows of {capacity}")
    rows: list[list[int]] = []
    by_room: defaultdict[int, deque[int]] = defaultdict(deque)
    rooms = 0  # bit n is set where a row has n tokens of room left
    for index in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[index])
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = by_room[room].popleft()
            if not by_room[room]:
                rooms &= ~(1 << room)
        else:
            room, row = capacity, len(rows)
            rows.append([])
        rows[row].append(index)
        if room > length:
            by_room[room - length].append(row)
            rooms |= 1 << (room - length)
    return rows
