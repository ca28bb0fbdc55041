"""From texts to token sequences whose loss falls on the answer alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import cast

from selfalign.errors import ModelError
from selfalign_training.data.layout import Layout
from selfalign_training.data.source import Source
from selfalign_training.data.tokenizer import Tokenizer

IGNORED = -100
# The offsets of a batch are Python objects: a few MB at this size, and no faster at a larger one.
BATCH = 128


@dataclass(frozen=True, slots=True)
class Example:
    """One sequence: the loss falls on the tokens from `trained_from` on."""

    prompt_id: str
    input_ids: Sequence[int]
    trained_from: int

    @property
    def labels(self) -> list[int]:
        """`input_ids` on the completion and IGNORED before it."""
        ids = list(self.input_ids)
        return [IGNORED] * self.trained_from + ids[self.trained_from :]

    @property
    def trained_tokens(self) -> int:
        """Tokens that the loss falls on."""
        return len(self.input_ids) - self.trained_from


def encode(sources: Iterable[Source], layout: Layout, tokenizer: Tokenizer) -> Iterator[Example]:
    """Tokenizes prompt and completion as one text, as a model that answers would see it.

    The border is found by character offsets, and labels are masked by position: the padding
    token may well be one of the text's own. A token across the border belongs to the completion.

    Raises:
        ModelError: the tokenizer cannot tell offsets.
    """
    if not tokenizer.is_fast:
        raise ModelError("base_model: its tokenizer has no fast version; add a tokenizer.json")
    special = frozenset(tokenizer.all_special_ids)
    sources = iter(sources)
    while batch := list(islice(sources, BATCH)):
        rendered = [layout.render(source) for source in batch]
        encoded = tokenizer(
            [prompt + completion for prompt, completion in rendered],
            add_special_tokens=layout.adds_special_tokens,
            return_offsets_mapping=True,
            return_attention_mask=False,
        )
        tokens = cast(list[list[int]], encoded["input_ids"])
        spans = cast(list[list[tuple[int, int]]], encoded["offset_mapping"])
        for source, (prompt, _), ids, offsets in zip(batch, rendered, tokens, spans, strict=True):
            # A template that adds an end token: answers end with the end marker, not with it.
            while ids and ids[-1] in special and offsets[-1][0] == offsets[-1][1]:
                ids, offsets = ids[:-1], offsets[:-1]
            border = next(
                (at for at, (_, end) in enumerate(offsets) if end > len(prompt)), len(ids)
            )
            yield Example(source.prompt_id, ids, border)
