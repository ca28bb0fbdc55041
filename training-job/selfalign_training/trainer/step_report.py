"""What rank 0 reports of each logged step, and of checkpoints."""

import math
import threading
import time
from typing import Final, TypedDict

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from selfalign.errors import StageError
from selfalign.events import Step, emit
from selfalign_training.report.metrics_log import MetricsLog, StepRecord
from selfalign_training.report.mfu import Peak
from selfalign_training.report.prometheus import Exporter

COMPUTED: Final = "computed_tokens"


class TrainerLogs(TypedDict, total=False):
    """What the trainer logs of its steps; the token counts are of all ranks since the start."""

    loss: float
    grad_norm: float
    learning_rate: float
    num_tokens: float
    """Without padding."""
    computed_tokens: float
    """With padding; EngravingTrainer adds it under the name COMPUTED."""


class ProgressCallback(TrainerCallback):
    """Turns what the trainer logs into a record: an event, a line of the log, and metrics."""

    def __init__(self, log: MetricsLog, exporter: Exporter | None, peak: Peak | None) -> None:
        self._log = log
        self._exporter = exporter
        self._peak = peak
        self._resumed = time.monotonic()
        self._ended = self._resumed
        self._busy = 0.0
        self._totals = (0, 0.0, 0.0)
        self._stall: float | None = None
        self._resumed_at: int | None = None
        self._lock = threading.Lock()
        self._checkpoint: float | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self._resumed = time.monotonic()
        self._totals = (state.global_step, 0.0, 0.0)
        self._resumed_at = state.global_step or None

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self._ended = time.monotonic()
        self._busy += self._ended - self._resumed
        self._resumed = self._ended

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Steps are timed without the checkpoint."""
        self._resumed = time.monotonic()
        self._stall = round(self._resumed - self._ended, 4)

    def checkpoint_done(self, seconds: float) -> None:
        """A checkpoint is whole in the store; called by the thread that uploads it."""
        with self._lock:
            self._checkpoint = seconds
        if self._exporter is not None:
            measured = {"checkpoint_s": seconds, "checkpoint_timestamp_seconds": time.time()}
            self._exporter.show(measured)
            self._exporter.add(checkpoints=1)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: TrainerLogs | None = None,
        **_: object,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        record = self._record(args, state, logs)
        check_finite(record)
        self._log.append(record)
        if self._exporter is not None:
            self._exporter.show(record)
        emit(Step.model_validate(record))

    def _record(
        self, args: TrainingArguments, state: TrainerState, logs: TrainerLogs
    ) -> StepRecord:
        step, tokens, computed = self._totals
        self._totals = (state.global_step, float(logs["num_tokens"]), float(logs[COMPUTED]))
        steps = max(1, self._totals[0] - step)
        real, all_tokens = self._totals[1] - tokens, self._totals[2] - computed
        seconds, self._busy = max(self._busy, 1e-9), 0.0
        rate = real / seconds
        if self._exporter is not None:
            self._exporter.add(
                optimizer_steps=steps, tokens=real, padding_tokens=max(0.0, all_tokens - real)
            )
        with self._lock:
            checkpoint, self._checkpoint = self._checkpoint, None
        stall, self._stall = self._stall, None
        resumed_at, self._resumed_at = self._resumed_at, None
        norm = logs.get("grad_norm")
        return {
            "step": state.global_step,
            "steps": state.max_steps,
            "epoch": round(state.epoch or 0.0, 4),
            "loss": float(logs["loss"]),
            "grad_norm": None if norm is None else float(norm),
            "learning_rate": float(logs.get("learning_rate", 0.0)),
            "tokens": int(real),
            "tokens_per_s": round(rate, 1),
            "tokens_per_s_rank": round(rate / args.world_size, 1),
            "step_s": round(seconds / steps, 4),
            "mfu": None if self._peak is None else round(self._peak.share(rate), 4),
            "padding_share": round(1 - real / all_tokens, 4) if all_tokens else 0.0,
            "checkpoint_s": checkpoint,
            "checkpoint_stall_s": stall,
            "resumed_at": resumed_at,
        }


def check_finite(record: StepRecord) -> None:
    """Raises StageError if the loss is not a number: weights made from it are worthless."""
    if not math.isfinite(record["loss"]):
        raise StageError(
            f"the loss is {record['loss']} at step {record['step']}; lower learning_rate, or use "
            "dtype bf16 or fp32"
        )
