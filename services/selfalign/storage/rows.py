"""The row of a stage's table: one for every input of the stage."""

import hashlib
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self

import pyarrow as pa

SCHEMA_VERSION = 1


class RowStatus(StrEnum):
    """Where a row ended up: inputs = accepted + rejected + failed."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the ledger; the fields are those of proto/selfalign/v1/common.proto."""

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
    rules: tuple[int, ...] = ()
    answer: str = ""
    complete: bool = False
    attempt: int = 1
    seed: int = 0
    model_id: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: float = 0.0

    def rejected(self, reason: str, evidence: str) -> Self:
        """The same row, turned down by the filter `reason`."""
        return replace(self, status=RowStatus.REJECTED, reason=reason, evidence=evidence)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PromptItem:
    """A prompt on its way to a service; the fields are those of common.proto's Prompt."""

    prompt_id: str
    instruction: str
    input: str = ""
    seed: int = 0
    attempt: int = 1
    source: str = ""
    question_type: str = ""
    topic: str = ""


ROW_SCHEMA = pa.schema(
    [
        ("row_id", pa.string()),
        ("prompt_id", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("evidence", pa.string()),
        ("source", pa.string()),
        ("question_type", pa.string()),
        ("topic", pa.string()),
        ("instruction", pa.string()),
        ("input", pa.string()),
        ("completion", pa.string()),
        ("thoughts", pa.string()),
        ("rules", pa.list_(pa.int32())),
        ("answer", pa.string()),
        ("complete", pa.bool_()),
        ("attempt", pa.int32()),
        ("seed", pa.int64()),
        ("model_id", pa.string()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("latency_ms", pa.float32()),
    ],
    metadata={"selfalign.schema_version": str(SCHEMA_VERSION)},
)

ROW_FIELDS = tuple(field.name for field in fields(Row))


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
