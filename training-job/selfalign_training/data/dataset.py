"""The training data: memory-mapped sequences in the order of their prompt ids."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from selfalign.errors import DataError
from selfalign.storage.open import open_store
from selfalign.storage.rows import content_hash
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.data.accepted_rows import list_units, read_unit
from selfalign_training.data.counts import Counts
from selfalign_training.data.encode import Example
from selfalign_training.data.extra import parse_extra_rows, read_extra_rows
from selfalign_training.data.layout import make_layout
from selfalign_training.data.token_cache import Share, TokenCache
from selfalign_training.data.token_file import TokenFile
from selfalign_training.data.tokenizer import Tokenizer
from selfalign_training.launch.place import Place

CACHE_VERSION = "3"


@dataclass(frozen=True, slots=True)
class Dataset:
    """The sequences, what became of the other rows, and the digest over all tokens."""

    tokens: TokenFile
    rows: Counts
    _digest: str

    @property
    def folder(self) -> Path:
        """The cache's; it may go when the job has ended."""
        return self.tokens.path.parent

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[Example]:
        """One sequence after the other; no two are in memory at once."""
        return iter(self.tokens)

    def counts(self) -> dict[str, int]:
        """For manifest and progress; see Counts."""
        return self.rows.as_dict()

    def digest(self) -> str:
        """16 hex digits over all ids, tokens and borders: the same data give the same training."""
        return self._digest


@dataclass(frozen=True, slots=True)
class Sources:
    """What there is to tokenize, share by share, and the digests that name it."""

    shares: tuple[Share, ...]
    digests: tuple[str, ...]


def find_sources(config: TrainingConfig) -> Sources:
    """The stage's units, not read yet, and the user's extra rows, which are checked at once.

    Raises:
        DataError: the stage has no accepted rows, or an extra row is wrong.
    """
    store = open_store(config.data.store)
    prefix = config.data.stage_prefix
    units = list_units(store, prefix)
    shares = [
        Share(f"unit-{unit.number:05d}", False, partial(read_unit, store, prefix, unit))
        for unit in units
    ]
    digests = [part.sha256 for unit in units for part in unit.parts]
    if config.data.extra_rows is not None:
        data = read_extra_rows(store, config.data.extra_rows)
        extra = parse_extra_rows(data, config.data.extra_rows)
        shares.append(Share("extra", True, lambda: extra))
        digests.append(hashlib.sha256(data).hexdigest())
    return Sources(tuple(shares), tuple(digests))


def load_dataset(
    config: TrainingConfig,
    sources: Sources,
    tokenizer: Tokenizer,
    place: Place,
) -> Dataset:
    """Tokenizes this rank's share of the rows, and maps what all ranks of the node made.

    Memory stays flat: a rank holds one part of the table, a batch of rows, and some 50 bytes for
    every sequence.

    Raises:
        DataError: none of the rows can be trained on, or some cannot be read.
        ConfigError: the tokenizer has no chat template that fits.
        StageError: see TokenCache.
    """
    layout = make_layout(config.layout, tokenizer)
    key = content_hash(
        CACHE_VERSION,
        *sources.digests,
        config.layout.model_dump_json(),
        str(config.max_length),
        tokenizer.backend_tokenizer.to_str(),
        str(tokenizer.chat_template),
    )
    folder = config.work_dir.absolute() / f"tokens-{key}"
    cache = TokenCache(folder, place, config.process_group_timeout_s)
    dataset = Dataset(*cache.build(sources.shares, layout, tokenizer, config.max_length))
    if not dataset.rows.sequences:
        raise DataError(_nothing_left(dataset.rows, config.max_length))
    return dataset


def _nothing_left(counts: Counts, max_length: int) -> str:
    return (
        f"none of {counts.rows + counts.extra_rows} rows can be trained on: "
        f"{counts.dropped_empty} answers are empty, {counts.dropped_markup} rows spell out a "
        f"control token, {counts.dropped_overlong} rows are longer than max_length {max_length} "
        f"tokens (the shortest has {counts.shortest_overlong}); raise "
        "max_length or shorten layout.meta_prompts"
    )
