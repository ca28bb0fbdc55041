"""Events: what the processes of a run tell each other and the user, one JSON object a line.

Workers, services, engines, fetches and the training job write them to their standard output; the
executors read them there (or in a pod's log) and hand them to the runner, which adds the stage. A
line that is no event is log text. This file is their one definition, for writing and for reading.
"""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TextIO

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError


class _Event(BaseModel):
    # A reader of another version passes over fields that it does not know.
    model_config = ConfigDict(extra="ignore", frozen=True)

    stage: str = ""
    """Set by the runner: a process does not know which stage it works for."""


class Ready(_Event):
    """A server answers."""

    event: Literal["ready"] = "ready"
    address: str
    """host:port."""


class Rows(_Event):
    """How many rows of its stage a worker has, all since its start."""

    event: Literal["rows"] = "rows"
    total: int = 0
    """Rows expected; 0 where it is not known."""
    accepted: int = 0
    rejected: int = 0
    failed: int = 0
    tokens: int = 0
    """Completion tokens of these rows."""
    worker: int = 0
    """Set by the executor: the worker's number."""


class Step(_Event):
    """A step of something that knows how many there are: optimizer steps, items of an evaluation.

    The figures of a training step are those that the training job logs; see its metrics.
    """

    event: Literal["step"] = "step"
    step: int
    steps: int
    phase: str | None = None
    """What of the evaluation it is a step of."""
    epoch: float | None = None
    loss: float | None = None
    grad_norm: float | None = None
    learning_rate: float | None = None
    tokens: int | None = None
    """Trained on since the last logged step."""
    tokens_per_s: float | None = None
    tokens_per_s_rank: float | None = None
    step_s: float | None = None
    mfu: float | None = None
    """Model FLOP/s utilisation, 0 to 1."""
    padding_share: float | None = None
    checkpoint_s: float | None = None
    checkpoint_stall_s: float | None = None
    resumed_at: int | None = None
    """The step that a restarted job went on from, in its first record."""


class Data(_Event):
    """What a training job found to train on."""

    event: Literal["data"] = "data"
    counts: dict[str, int]


class SavedCheckpoint(_Event):
    """A checkpoint is whole in the store."""

    event: Literal["checkpoint"] = "checkpoint"
    step: int
    checkpoint_s: float
    """From the start of saving until it was whole in the store."""
    upload_s: float
    bytes: int


class Trained(_Event):
    """A training job has published its weights."""

    event: Literal["trained"] = "trained"
    loss_first: float | None
    loss_last: float | None
    seconds: float


class Fetch(_Event):
    """A file of weights has arrived."""

    event: Literal["fetch"] = "fetch"
    file: str
    done_bytes: int | None = None
    """Of all files so far; None where the source does not tell sizes."""
    total_bytes: int | None = None


class Fetched(_Event):
    """Weights are whole in their folder."""

    event: Literal["fetched"] = "fetched"
    source: str
    new: bool
    """False where they were there already."""


class Note(_Event):
    """A sentence for a person."""

    event: Literal["note"] = "note"
    text: str


class StageStarted(_Event):
    """The runner begins a stage."""

    event: Literal["stage_started"] = "stage_started"


class _StageEnd(_Event):
    inputs: int | None = None
    """The counts of the stage's manifest; None for stages without rows."""
    accepted: int | None = None
    rejected: int | None = None
    failed: int | None = None
    reasons: Mapping[str, int] | None = None
    details: Mapping[str, Any] | None = None
    """What a stage without rows says of itself."""


class StageDone(_StageEnd):
    """A stage has its manifest."""

    event: Literal["stage_done"] = "stage_done"
    seconds: float


class StageKept(_StageEnd):
    """A stage was done by an earlier process."""

    event: Literal["stage_kept"] = "stage_kept"


class ResultPlace(_Event):
    """Where something lies that the run has made."""

    event: Literal["result"] = "result"
    label: str
    path: str


class Verdict(_Event):
    """A line of what the run made worse and better; the lines come in their order."""

    event: Literal["verdict"] = "verdict"
    text: str


Event = (
    Ready
    | Rows
    | Step
    | Data
    | SavedCheckpoint
    | Trained
    | Fetch
    | Fetched
    | Note
    | StageStarted
    | StageDone
    | StageKept
    | ResultPlace
    | Verdict
)
"""All events, told apart by their field `event`."""

EventSink = Callable[[Event], None]
"""Hears events; may be called from several threads, one call at a time per source."""


_READER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def from_worker(sink: EventSink, worker: int) -> EventSink:
    """A sink that adds the worker's number to its row counts."""

    def numbered(event: Event) -> None:
        sink(event.model_copy(update={"worker": worker}) if isinstance(event, Rows) else event)

    return numbered


def as_fields(event: Event) -> dict[str, Any]:
    """The event's fields that have a value, without `event` and `stage`: JSON types only."""
    return event.model_dump(mode="json", exclude={"event", "stage"}, exclude_none=True)


def emit(event: Event, stream: TextIO | None = None) -> None:
    """Writes the event as one line, to standard output by default."""
    fields = event.model_dump(mode="json", exclude=set() if event.stage else {"stage"})
    line = json.dumps({name: value for name, value in fields.items() if value is not None})
    # Line end included: threads emit too, and must not cut into one another's lines.
    print(line + "\n", end="", file=stream or sys.stdout, flush=True)


def parse(line: str) -> Event | None:
    """The event of a line; None for any other line, which is log text."""
    if not line.startswith("{"):
        return None
    try:
        return _READER.validate_json(line)
    except ValidationError:
        return None
