"""The row of a stage's table: one for every input of the stage.

A column is declared here, as a field of Row, and in proto/selfalign/v1/common.proto. The Parquet
schema, the conversion to and from messages, and the rows that tests make up follow from the class;
the same holds for PromptItem. A new column stands last, is marked and has a default, with which the
rows of older parts are read: `score: Annotated[Float32, Since.ADDED] = 0.0`. One that Row and
PromptItem both have is copied between them.
"""

import hashlib
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Annotated, Any, Self

from selfalign.errors import SelfAlignError
from selfalign.storage.columns import (
    Float32,
    Int32,
    Int32List,
    Int64,
    Since,
    arrow_schema,
    columns_of,
)

SCHEMA_VERSION = 1
"""Raised where a column changes its type or meaning; it is part of every stage's fingerprint, so
that runs of another version are refused. An added column leaves it as it is."""


class RowStatus(StrEnum):
    """Where a row ended up: inputs = accepted + rejected + failed."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the ledger; the fields are those of common.proto's Row."""

    row_id: str
    prompt_id: str
    status: RowStatus
    reason: str = ""
    """The filter that rejected the row, or the error type that failed it; empty if accepted."""
    evidence: str = ""
    """What the filter saw, or the error's message."""
    source: str = ""
    question_type: str = ""
    topic: str = ""
    instruction: str = ""
    input: str = ""
    completion: str = ""
    thoughts: str = ""
    rules: Int32List = ()
    answer: str = ""
    complete: bool = False
    attempt: Int32 = 1
    seed: Int64 = 0
    model_id: str = ""
    finish_reason: str = ""
    prompt_tokens: Int32 = 0
    completion_tokens: Int32 = 0
    latency_ms: Float32 = 0.0
    score: Annotated[Float32, Since.ADDED] = 0.0
    """Likelihood ratio by which the answer was chosen; of a topic or prompt: by which it fits. In
    nats per token; 0: not scored."""

    @classmethod
    def of(cls, item: "PromptItem", status: RowStatus) -> Self:
        """A row with what the prompt says of itself, and no answer yet."""
        shared = {name: getattr(item, name) for name in PROMPT_FIELDS}
        return cls(row_id=item.prompt_id, status=status, **shared)

    def rejected(self, reason: str, evidence: str) -> Self:
        """The same row, turned down by the filter `reason`."""
        return replace(self, status=RowStatus.REJECTED, reason=reason, evidence=evidence)

    def failed(self, error: SelfAlignError) -> Self:
        """The same row, which ended with an error."""
        return replace(
            self, status=RowStatus.FAILED, reason=type(error).__name__, evidence=str(error)
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PromptItem:
    """A prompt on its way to a service; the fields are those of common.proto's Prompt."""

    prompt_id: str
    instruction: str
    input: str = ""
    seed: Int64 = 0
    attempt: Int32 = 1
    source: str = ""
    question_type: str = ""
    topic: str = ""

    @classmethod
    def of(cls, row: Row, *, seed: int, attempt: int = 1) -> Self:
        """The prompt of an earlier stage's row, to be worked on with a seed of its own."""
        shared = {name: getattr(row, name) for name in PROMPT_FIELDS}
        return cls(**shared | {"seed": seed, "attempt": attempt})


ROW_COLUMNS = columns_of(Row)
ROW_SCHEMA = arrow_schema(ROW_COLUMNS, {"selfalign.schema_version": str(SCHEMA_VERSION)})
PROMPT_FIELDS = tuple(field.name for field in fields(PromptItem))
"""Each of them is a column of Row too."""


def prompt_id(instruction: str, input: str = "") -> str:
    """Content hash of a prompt: 16 hex digits of BLAKE2b over both texts."""
    return content_hash(instruction, input)


def content_hash(*texts: str) -> str:
    """16 hex digits over the texts, each preceded by its length, so that borders count."""
    digest = hashlib.blake2b(digest_size=8)
    for text in texts:
        data = text.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def derive_seed(run_seed: int, *scope: str | int) -> int:
    """A 31-bit sampling seed from (run seed, stage, row id, ...), never from time or order."""
    return int(content_hash(str(run_seed), *map(str, scope)), 16) & 0x7FFFFFFF
