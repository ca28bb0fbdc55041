"""TRL's SFTTrainer with our data order, and callbacks for samples and SIGTERM."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl.trainer.sft_trainer import SFTTrainer

from selfalign_training.batches import epoch_order
from selfalign_training.data.table import ROWS
from selfalign_training.grad_norm import report_grad_norm
from selfalign_training.progress import COMPUTED
from selfalign_training.samples import RowCollator, SampleLog
from selfalign_training.weights import adapter_state


class EpochSampler(Sampler[int]):
    """The order of each epoch, which resuming repeats; see epoch_order."""

    def __init__(self, lengths: Sequence[int], global_batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._global_batch_size = global_batch_size
        self._seed = seed
        self._epoch = 0

    @property
    def steps(self) -> int:
        """Optimizer steps of an epoch."""
        return len(self._lengths) // self._global_batch_size

    def set_epoch(self, epoch: int) -> None:
        """Called before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        return iter(epoch_order(self._lengths, self._global_batch_size, self._seed, self._epoch))


class EngravingTrainer(SFTTrainer):
    """SFTTrainer on sequences that are tokenized and filled up already."""

    def __init__(
        self,
        *,
        sampler: EpochSampler,
        samples: SampleLog | None,
        on_saved: Callable[[int, float], None],
        **options: Any,  # noqa: ANN401
    ) -> None:
        """`on_saved` gets the step of a checkpoint written on this rank, and when it was begun."""
        self._sampler = sampler
        self._samples = samples
        self._on_saved = on_saved
        self._computed = 0
        self._weight_decays: list[float] = []
        super().__init__(**options)
        self.data_collator = RowCollator(self.data_collator)

    def training_step(
        self,
        model: Any,  # noqa: ANN401
        inputs: dict[str, Any],
        num_items_in_batch: Any = None,  # noqa: ANN401
    ) -> torch.Tensor:
        """One micro batch."""
        if not self._computed:
            report_grad_norm(model)
        self._computed += inputs["input_ids"].numel()
        rows = inputs.pop(ROWS)
        if self._samples is not None:
            self._samples.saw(rows.tolist())
        base: Any = super()
        loss: torch.Tensor = base.training_step(model, inputs, num_items_in_batch)
        return loss

    def log(self, logs: dict[str, float], *arguments: Any) -> None:  # noqa: ANN401
        """Adds the tokens that all ranks have computed so far, padding included."""
        if "loss" in logs:
            computed = torch.tensor(self._computed, device=self.args.device)
            if dist.is_initialized():
                dist.all_reduce(computed)
            logs[COMPUTED] = float(computed.item())
        base: Any = super()
        base.log(logs, *arguments)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """The adapter alone, gathered tensor by tensor: the trainer's own copies the whole model.

        Of a model that is trained as a whole a checkpoint holds what DeepSpeed keeps of it.
        """
        if hasattr(self.model, "peft_config"):
            base: Any = super()
            base._save(output_dir, state_dict=adapter_state(self.model))

    def create_model_card(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """None: the manifest tells what there is to know."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:  # noqa: ANN401
        return self._sampler

    def create_optimizer(self, *arguments: Any) -> Any:  # noqa: ANN401
        """The optimizer; its groups' weight decay is remembered."""
        base: Any = super()
        optimizer = base.create_optimizer(*arguments)
        groups = [group for group in optimizer.param_groups if group["params"]]
        self._weight_decays = [group["weight_decay"] for group in groups]
        return optimizer

    def _prepare_for_training(self, *arguments: Any) -> Any:  # noqa: ANN401
        base: Any = super()
        prepared = base._prepare_for_training(*arguments)
        # DeepSpeed's universal checkpoint gives all groups the first one's settings under ZeRO-3.
        optimizer: Any = self.optimizer
        if self._weight_decays:
            for group, decay in zip(optimizer.param_groups, self._weight_decays, strict=True):
                group["weight_decay"] = decay
        return prepared

    def _save_checkpoint(self, model: Any, trial: Any) -> None:  # noqa: ANN401
        began = time.monotonic()
        base: Any = super()
        base._save_checkpoint(model, trial)
        self._on_saved(self.state.global_step, began)


class EpochCallback(TrainerCallback):
    """Tells the sampler the epoch.

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
