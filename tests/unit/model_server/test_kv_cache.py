"""The suffix cache keeps each row's keys through growing, shrinking and moving."""

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from selfalign.model_server.transformer.kv_cache import SuffixCache, in_steps

LAYERS, KV_HEADS, SIZE, SLOTS = 2, 2, 4, 5


class Shape:
    """What the cache reads of a model's configuration."""

    layers, kv_heads, head_dim = LAYERS, KV_HEADS, SIZE


CONFIG: Any = Shape()
# A new row of so many tokens, so many steps of all rows, or the end of the row in this place.
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 500)),
        st.tuples(st.just("step"), st.integers(1, 70)),
        st.tuples(st.just("remove"), st.integers(0, SLOTS - 1)),
    ),
    max_size=25,
)


def tokens(first: float, count: int) -> torch.Tensor:
    """(KV_HEADS, count, SIZE): every number another one."""
    return first + torch.arange(KV_HEADS * count * SIZE).view(KV_HEADS, count, SIZE) / 1e6


def step(cache: SuffixCache, held: list[torch.Tensor], number: int) -> list[torch.Tensor]:
    mask = cache.begin_step(torch.float32)
    new = torch.stack([tokens(1000 + number + row, 1)[:, 0] for row in range(len(held))])
    held = [torch.cat([row, new[place].unsqueeze(1)], dim=1) for place, row in enumerate(held)]
    for layer in range(LAYERS):
        keys, values = cache.append(layer, new + layer, -(new + layer))
        assert keys.is_contiguous() and values.is_contiguous(), "else products copy them"
        for place, row in enumerate(held):
            seen = mask[place, 0, 0] == 0
            assert torch.equal(keys[place][:, seen], row + layer)
            assert torch.equal(values[place][:, seen], -(row + layer))
        assert torch.isfinite(keys).all(), "what is hidden must not be NaN"
        room, longest = keys.shape[2], max(row.shape[1] for row in held)
        assert longest <= room <= 2 * in_steps(longest)
    cache.end_step()
    return held


@given(ACTIONS)
def test_rows_keep_what_they_hold(actions: list[tuple[str, int]]) -> None:
    cache = SuffixCache(CONFIG, SLOTS, torch.float32)
    held: list[torch.Tensor] = []
    for number, (action, value) in enumerate(actions):
        if action == "add" and cache.free:
            (row,) = cache.add([value])
            assert row == len(held)
            held.append(tokens(number, value))
            for layer in range(LAYERS):
                stored = (held[row] + layer).unsqueeze(0)
                cache.write(layer, torch.tensor([row]), stored, -stored)
        elif action == "remove" and value < len(held):
            moved = cache.remove(value)
            last = held.pop()
            assert moved == (None if value == len(held) else len(held))
            if moved is not None:
                held[value] = last
        elif action == "step" and held:
            for again in range(value):
                held = step(cache, held, number * 100 + again)
        assert cache.lengths == [row.shape[1] for row in held]
