"""TRL's SFTTrainer with our data order, and callbacks for progress, checkpoints and SIGTERM."""

import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl.trainer.sft_trainer import SFTTrainer

from selfalign.errors import StageError
from selfalign_training.batches import BatchPlan, epoch_order
from selfalign_training.checkpoints import mark_complete, prune
from selfalign_training.events import MetricsLog, PrometheusGauges, tell


class EpochSampler(Sampler[int]):
    """The order of each epoch, a function of seed and epoch alone: resuming repeats it."""

    def __init__(self, lengths: Sequence[int], plan: BatchPlan, seed: int) -> None:
        self._lengths = lengths
        self._plan = plan
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        return iter(epoch_order(self._lengths, self._plan, self._seed, self._epoch))


class EngravingTrainer(SFTTrainer):
    """SFTTrainer on sequences that are tokenized and filled up already."""

    def __init__(self, *, sampler: EpochSampler, **options: Any) -> None:  # noqa: ANN401
        self._sampler = sampler
        super().__init__(**options)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:  # noqa: ANN401
        return self._sampler

    def create_model_card(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """None: the manifest tells what there is to know."""


class ProgressCallback(TrainerCallback):
    """Rank 0 tells each logged step."""

    def __init__(self, log: MetricsLog, gauges: PrometheusGauges | None) -> None:
        self._log = log
        self._gauges = gauges
        self._last = (time.monotonic(), 0, 0.0)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self._last = (time.monotonic(), state.global_step, 0.0)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: object,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        then, step, tokens = self._last
        now, done = time.monotonic(), float(logs.get("num_tokens", 0.0))
        self._last = (now, state.global_step, done)
        seconds = max(now - then, 1e-9)
        record = {
            "step": state.global_step,
            "steps": state.max_steps,
            "epoch": round(state.epoch or 0.0, 4),
            "loss": float(logs["loss"]),
            # DeepSpeed reports none, or 0, in fp32 without ZeRO.
            "grad_norm": float(logs.get("grad_norm") or 0.0) or None,
            "learning_rate": float(logs.get("learning_rate", 0.0)),
            "tokens_per_s": round((done - tokens) / seconds, 1),
            "step_s": round(seconds / max(1, state.global_step - step), 4),
        }
        check_finite(record)
        self._log.append(record)
        if self._gauges is not None:
            self._gauges.show(record)
        tell("step", **record)


class CheckpointCallback(TrainerCallback):
    """Marks a checkpoint as complete once every rank has written its share."""

    def __init__(self, job: Path, keep_last: int) -> None:
        self._job = job
        self._keep_last = keep_last

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        if dist.is_initialized():
            dist.barrier()
        if state.is_world_process_zero:
            folder = self._job / f"checkpoint-{state.global_step}"
            mark_complete(folder, state.global_step, args.world_size)
            prune(self._job, self._keep_last)


class TerminationCallback(TrainerCallback):
    """SIGTERM on any rank: all save a checkpoint after the step in hand, and stop."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.stopped = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self._asked.set())

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        asked = torch.tensor(int(self._asked.is_set()), device=args.device)
        if dist.is_initialized():
            dist.all_reduce(asked, op=dist.ReduceOp.MAX)
        if asked.item() and state.global_step < state.max_steps:
            self.stopped = True
            control.should_save = True
            control.should_training_stop = True


def check_finite(record: dict[str, Any]) -> None:
    """Raises StageError if the loss is not a number: weights made from it are worthless."""
    if not math.isfinite(record["loss"]):
        raise StageError(
            f"the loss is {record['loss']} at step {record['step']}; lower learning_rate, or use "
            "dtype bf16 or fp32"
        )
