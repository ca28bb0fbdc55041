"""From accepted rows to token sequences whose loss falls on the answer alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from selfalign.errors import DataError, ModelError
from selfalign.storage.rows import RowStatus, content_hash
from selfalign.storage.store import Store
from selfalign.storage.tables import read_rows
from selfalign_training.config import LayoutConfig

IGNORED = -100
COLUMNS = ("prompt_id", "instruction", "input", "answer", "complete")


class Tokenizer(Protocol):
    """What is used of a fast tokenizer of transformers."""

    @property
    def is_fast(self) -> bool: ...

    @property
    def all_special_ids(self) -> list[int]: ...

    def __call__(self, text: Any, **options: Any) -> Any: ...  # noqa: ANN401


@dataclass(frozen=True, slots=True)
class Source:
    """The texts of one accepted row."""

    prompt_id: str
    instruction: str
    input: str
    answer: str
    complete: bool


@dataclass(frozen=True, slots=True)
class Example:
    """One sequence: `labels` equal `input_ids` on the completion and are IGNORED before it."""

    prompt_id: str
    input_ids: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def trained_tokens(self) -> int:
        """Tokens that the loss falls on."""
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True, slots=True)
class Dataset:
    """The sequences in the order of their prompt ids, and what became of the other rows."""

    examples: tuple[Example, ...]
    rows: int
    dropped_empty: int
    dropped_overlong: int

    def counts(self) -> dict[str, int]:
        """For manifest and progress; rows = sequences + dropped_empty + dropped_overlong."""
        return {
            "rows": self.rows,
            "sequences": len(self.examples),
            "dropped_empty": self.dropped_empty,
            "dropped_overlong": self.dropped_overlong,
            "tokens": sum(len(example.input_ids) for example in self.examples),
            "trained_tokens": sum(example.trained_tokens for example in self.examples),
        }

    def digest(self) -> str:
        """16 hex digits over all tokens and labels: the same data give the same training."""
        hashed = hashlib.blake2b(digest_size=8)
        for example in self.examples:
            hashed.update(repr((example.prompt_id, example.input_ids, example.labels)).encode())
        return hashed.hexdigest()


def read_sources(store: Store, stage_prefix: str) -> list[Source]:
    """The accepted rows of a stage, sorted by prompt id.

    Raises:
        DataError: there are none.
    """
    table = read_rows(store, stage_prefix, columns=COLUMNS, status=RowStatus.ACCEPTED)
    if table.num_rows == 0:
        raise DataError(
            f"{store.url}/{stage_prefix}: no accepted rows to train on (data.stage_prefix); has "
            "the stage before this one run, and did its filters accept anything?"
        )
    sources = [Source(**record) for record in table.to_pylist()]
    return sorted(sources, key=lambda source: source.prompt_id)


def build_dataset(
    sources: Sequence[Source], layout: LayoutConfig, tokenizer: Tokenizer, max_length: int
) -> Dataset:
    """Lays out and tokenizes the rows; empty answers and overlong sequences are counted.

    Raises:
        DataError: nothing is left.
    """
    answered = [source for source in sources if source.answer.strip()]
    built = encode(answered, layout, tokenizer) if answered else []
    examples = tuple(example for example in built if len(example.input_ids) <= max_length)
    dataset = Dataset(
        examples=examples,
        rows=len(sources),
        dropped_empty=len(sources) - len(answered),
        dropped_overlong=len(built) - len(examples),
    )
    if not examples:
        shortest = min((len(example.input_ids) for example in built), default=0)
        raise DataError(
            f"none of {len(sources)} rows can be trained on: {dataset.dropped_empty} answers are "
            f"empty, {dataset.dropped_overlong} rows are longer than max_length {max_length} "
            f"tokens (the shortest has {shortest}); raise max_length or shorten layout.meta_prompts"
        )
    return dataset


def prompt_text(source: Source, layout: LayoutConfig) -> str:
    """What the student sees before its answer; the meta prompt follows from the prompt id."""
    draw = int(content_hash("meta", source.prompt_id), 16) % len(layout.meta_prompts)
    query = f"{source.instruction}\n\n{source.input}" if source.input else source.instruction
    return f"{layout.meta_prompts[draw].strip()}\n{query}{layout.assistant_header}"


def completion_text(source: Source, layout: LayoutConfig) -> str:
    """What the student learns to write: a truncated answer does not end by itself."""
    return source.answer + (layout.end_marker if source.complete else "")


def encode(sources: Sequence[Source], layout: LayoutConfig, tokenizer: Tokenizer) -> list[Example]:
    """Tokenizes prompt and completion as one text, as a model that answers would see it.

    The border is found by character offsets, and labels are masked by position: the padding
    token may well be one of the text's own.
    """
    if not tokenizer.is_fast:
        raise ModelError("base_model: its tokenizer has no fast version; add a tokenizer.json")
    prompts = [prompt_text(source, layout) for source in sources]
    texts = [
        prompt + completion_text(source, layout)
        for prompt, source in zip(prompts, sources, strict=True)
    ]
    encoded = tokenizer(texts, return_offsets_mapping=True, return_attention_mask=False)
    special = frozenset(tokenizer.all_special_ids)
    examples = []
    for source, prompt, ids, offsets in zip(
        sources, prompts, encoded["input_ids"], encoded["offset_mapping"], strict=True
    ):
        # A template that adds an end token: answers end with the end marker, not with it.
        while ids and ids[-1] in special and offsets[-1][0] == offsets[-1][1]:
            ids, offsets = ids[:-1], offsets[:-1]
        labels = tuple(
            token if end > len(prompt) else IGNORED
            for token, (_, end) in zip(ids, offsets, strict=True)
        )
        examples.append(Example(source.prompt_id, tuple(ids), labels))
    return examples
