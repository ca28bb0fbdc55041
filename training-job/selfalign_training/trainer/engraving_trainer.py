"""TRL's SFTTrainer with our order of data, on sequences that are tokenized already."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
import torch.distributed as dist
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from trl.trainer.sft_trainer import SFTTrainer

from selfalign_training.data.sequence_table import ROWS
from selfalign_training.model.gathered_weights import adapter_state
from selfalign_training.trainer.epoch_order import EpochSampler
from selfalign_training.trainer.grad_norm import DeepSpeedEngine, report_grad_norm
from selfalign_training.trainer.sample_log import RowCollator, SampleLog
from selfalign_training.trainer.step_report import COMPUTED


class EngravingTrainer(SFTTrainer):
    """SFTTrainer on sequences that are tokenized and filled up already."""

    def __init__(
        self,
        *,
        sampler: EpochSampler,
        samples: SampleLog | None,
        **options: Any,  # noqa: ANN401 - SFTTrainer's own, which has twenty
    ) -> None:
        self._sampler = sampler
        self._samples = samples
        self.on_saved: Callable[[int, float], None] = lambda step, began: None
        """Gets the step of a checkpoint written on this rank, and when it was begun (monotonic)."""
        self._computed = 0
        self._weight_decays: list[float] = []
        super().__init__(**options)
        self.data_collator = RowCollator(self.data_collator)

    def training_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Loss and gradients of one micro batch.

        Args:
            model: DeepSpeed's engine over the model.
            inputs: `input_ids` and `labels` of (sequences, tokens), padded; packed rows are one
                sequence with `position_ids` besides. "rows" holds the rows' numbers.
            num_items_in_batch: Trained tokens of the step, by which its loss is divided.
        """
        if not self._computed:
            report_grad_norm(cast(DeepSpeedEngine, model))
        self._computed += inputs["input_ids"].numel()
        rows = inputs.pop(ROWS)
        if self._samples is not None:
            self._samples.saw(rows.tolist())
        base: Any = super()
        loss: torch.Tensor = base.training_step(model, inputs, num_items_in_batch)
        return loss

    def log(self, logs: dict[str, float], *arguments: object) -> None:
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
        model = self.model
        if model is not None and hasattr(model, "peft_config"):
            base: Any = super()
            base._save(output_dir, state_dict=adapter_state(model))

    def create_model_card(self, *args: object, **options: object) -> None:
        """None is written: the manifest and the training card hold what there is to know."""

    def _get_train_sampler(self, train_dataset: object = None) -> EpochSampler:
        return self._sampler

    def create_optimizer(self, *arguments: object) -> torch.optim.Optimizer:
        """The optimizer; its groups' weight decay is remembered."""
        base: Any = super()
        optimizer: torch.optim.Optimizer = base.create_optimizer(*arguments)
        groups = [group for group in optimizer.param_groups if group["params"]]
        self._weight_decays = [group["weight_decay"] for group in groups]
        return optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> LRScheduler:
        """Warm-up that begins above 0: transformers' own gives the first step a rate of 0.

        DeepSpeed's schedule (`warmup_decay`, the published one) is there already and stays.

        Args:
            num_training_steps: Optimizer steps of all epochs.
            optimizer: DeepSpeed's, once it is there.
        """
        base: Any = super()
        shift = 1 if self.args.warmup_steps else 0
        schedule: LRScheduler = base.create_scheduler(num_training_steps + shift, optimizer)
        if not shift or not isinstance(schedule, LambdaLR):
            return schedule
        later: list[Callable[[int], float]] = [
            partial(_one_step_later, factor) for factor in schedule.lr_lambdas
        ]
        self.lr_scheduler = LambdaLR(schedule.optimizer, later)
        return self.lr_scheduler

    def _prepare_for_training(self, *arguments: object) -> object:
        base: Any = super()
        prepared: object = base._prepare_for_training(*arguments)
        # DeepSpeed's universal checkpoint gives all groups the first one's settings under ZeRO-3.
        optimizer: Any = self.optimizer
        if self._weight_decays:
            for group, decay in zip(optimizer.param_groups, self._weight_decays, strict=True):
                group["weight_decay"] = decay
        return prepared

    def _save_checkpoint(self, model: torch.nn.Module, trial: object) -> None:
        began = time.monotonic()
        base: Any = super()
        base._save_checkpoint(model, trial)
        self.on_saved(self.state.global_step, began)


def _one_step_later(factor: Callable[[int], float], step: int) -> float:
    return factor(step + 1)
