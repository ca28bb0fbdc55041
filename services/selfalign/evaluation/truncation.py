"""Shortening an item's texts until its prompts fit the engine: their heads are kept."""

from collections.abc import Callable
from dataclasses import dataclass

from selfalign.errors import PromptTooLong
from selfalign.inference.contract.engine import Engine

ELLIPSIS = "..."
SHRINK = 0.85
SHORTEST = 40
# Where the engine cannot count: English text has about four bytes a token.
BYTES_PER_TOKEN = 3


@dataclass(frozen=True, slots=True)
class ItemPrompts:
    """Prompts that fit."""

    prompts: tuple[str, ...]
    truncated: bool


async def truncate_to_limit(
    engine: Engine,
    texts: tuple[str, ...],
    render: Callable[[tuple[str, ...]], tuple[str, ...]],
    limit: int | None,
) -> ItemPrompts:
    """The item's prompts, each of at most `limit` tokens (None: unlimited).

    Too long texts lose their ends to one common length; the headers that a prompt ends with, and
    all of the shorter texts, stay. All prompts of an item get the same texts.

    Raises:
        PromptTooLong: the prompts do not fit even with the texts cut to almost nothing.
    """
    prompts = render(texts)
    length = max(map(len, texts))
    truncated = False
    while limit is not None and not await _fits(engine, prompts, limit):
        length = int(length * SHRINK)
        if length < SHORTEST:
            raise PromptTooLong(
                f"a benchmark prompt does not fit {limit} tokens even with its texts cut to "
                f"{SHORTEST} characters; serve the model with a longer context"
            )
        prompts = render(tuple(head(text, length) for text in texts))
        truncated = True
    return ItemPrompts(prompts, truncated)


def head(text: str, length: int) -> str:
    """The text, or its first `length` characters and an ellipsis."""
    return text if len(text) <= length else f"{text[:length].rstrip()}{ELLIPSIS}"


async def _fits(engine: Engine, prompts: tuple[str, ...], limit: int) -> bool:
    longest = max(prompts, key=lambda prompt: len(prompt.encode()))
    size = len(longest.encode())
    # A token stands for at least one byte, and one special token may come in front.
    if size < limit:
        return True
    tokens = await engine.count_tokens(longest)
    return (size // BYTES_PER_TOKEN if tokens is None else tokens) <= limit
