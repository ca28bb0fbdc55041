"""The token cache of a node: its ranks tokenize a share of the units each, one joins them.

<work_dir>/tokens-<key>/
  node-<n>/<unit>.arrow, <unit>.json   a unit's sequences; the counts are written last
  sequences.arrow                      all of them, sorted by prompt id
  counts.json                          written last: what is there is whole

The key covers everything that the tokens depend on, so that a restarted job finds its cache, and
a job on other data, layout or length finds none. Nodes that share a folder write equal files.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from selfalign.errors import DataError, StageError
from selfalign_training.data.counts import Counts
from selfalign_training.data.encode import encode
from selfalign_training.data.layout import Layout
from selfalign_training.data.markup import Markup
from selfalign_training.data.source import Source
from selfalign_training.data.token_file import TokenFile, TokenWriter
from selfalign_training.data.tokenizer import Tokenizer
from selfalign_training.launch.place import Place

SEQUENCES = "sequences.arrow"
COUNTS = "counts.json"
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Share:
    """A unit of work: a name, whether its rows are the user's extra ones, and how to read them."""

    name: str
    extra: bool
    read: Callable[[], Iterable[Source]]


@dataclass(frozen=True, slots=True)
class TokenCache:
    """Where the cache lies, and how long its ranks wait for each other."""

    folder: Path
    place: Place
    timeout_s: float

    def build(
        self, shares: Sequence[Share], layout: Layout, tokenizer: Tokenizer, max_length: int
    ) -> tuple[TokenFile, Counts, str]:
        """The sequences, what became of the rows, and the digest over all tokens.

        Raises:
            DataError: two rows have one id, or a unit cannot be read.
            StageError: another rank of the node does not come to its end.
        """
        if not (self.folder / COUNTS).is_file():
            self._units.mkdir(parents=True, exist_ok=True)
            for position, share in enumerate(shares):
                if position % self.place.local_world_size == self.place.local_rank:
                    self._write_unit(share, layout, tokenizer, max_length)
            if self.place.leads_node:
                for share in shares:
                    self._wait_for(self._units / f"{share.name}.json")
                self._join([share.name for share in shares])
            else:
                self._wait_for(self.folder / COUNTS)
        loaded = json.loads((self.folder / COUNTS).read_text())
        digest = loaded.pop("digest")
        return TokenFile(self.folder / SEQUENCES), Counts(**loaded), digest

    @property
    def _units(self) -> Path:
        return self.folder / f"node-{self.place.node}"

    def _write_unit(
        self, share: Share, layout: Layout, tokenizer: Tokenizer, max_length: int
    ) -> None:
        if (self._units / f"{share.name}.json").is_file():
            return
        counts, markup = Counts(), Markup(tokenizer)

        def answered() -> Iterator[Source]:
            for source in share.read():
                counts.extra_rows += share.extra
                counts.rows += not share.extra
                if not source.answer.strip():
                    counts.dropped_empty += 1
                elif markup.stands_in(source):
                    counts.dropped_markup += 1
                else:
                    yield source

        with TokenWriter(self._units / f"{share.name}.arrow") as writer:
            for example in encode(answered(), layout, tokenizer):
                if counts.take(example, max_length):
                    writer.add(example.prompt_id, example.input_ids, example.trained_from)
        _write_json(self._units / f"{share.name}.json", counts.as_dict())

    def _join(self, names: list[str]) -> None:
        """Merges the units in the order of prompt ids, which no share of the work can change."""
        counts = Counts()
        for name in names:
            counts.add(Counts(**json.loads((self._units / f"{name}.json").read_text())))
        files = [TokenFile(self._units / f"{name}.arrow") for name in names]
        starts = np.cumsum([0, *(len(file) for file in files)])
        ids = pa.chunked_array(
            [chunk for file in files for chunk in file.prompt_ids().chunks], type=pa.string()
        )
        order = pc.sort_indices(ids).to_numpy()
        last = None
        with TokenWriter(self.folder / SEQUENCES) as writer:
            for index in order:
                number = int(np.searchsorted(starts, index, side="right")) - 1
                file, row = files[number], int(index - starts[number])
                prompt_id = file.prompt_id(row)
                if prompt_id == last:
                    raise DataError(f"data: prompt_id {prompt_id} comes twice among the rows")
                last = prompt_id
                writer.add(prompt_id, file.tokens(row), int(file.trained_from[row]))
        _write_json(self.folder / COUNTS, {**counts.as_dict(), "digest": writer.digest})
        del files
        shutil.rmtree(self._units, ignore_errors=True)

    def _wait_for(self, path: Path) -> None:
        """A rank that fails is no reason to wait: the launcher then ends all of them."""
        deadline = time.monotonic() + self.timeout_s
        while not path.is_file():
            if time.monotonic() > deadline:
                raise StageError(
                    f"rank {self.place.rank} waited {self.timeout_s:.0f} s for {path}, which "
                    "another rank of this node writes (process_group_timeout_s)"
                )
            time.sleep(POLL_S)


def _write_json(path: Path, values: Mapping[str, object]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("w") as file:
        file.write(json.dumps(values))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
