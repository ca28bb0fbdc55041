"""What happens between optimizer steps: the epoch is set, samples are noted, SIGTERM is obeyed."""

import signal
import threading

import torch
import torch.distributed as dist
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from selfalign_training.trainer.epoch_order import EpochSampler
from selfalign_training.trainer.sample_log import SampleLog


class EpochCallback(TrainerCallback):
    """Gives the sampler the epoch.

    The trainer's own way to it ends at the wrapper that skips batches: with several ranks, a job
    that goes on in the middle of a later epoch would see the first epoch's order again.
    """

    def __init__(self, sampler: EpochSampler) -> None:
        self._sampler = sampler

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self._sampler.set_epoch(state.global_step // self._sampler.steps)


class SampleCallback(TrainerCallback):
    """Writes down what each step saw."""

    def __init__(self, log: SampleLog) -> None:
        self._log = log

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self._log.close_step(state.global_step)


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
