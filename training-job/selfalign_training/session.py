"""The part of a job that needs torch: from tokenized data to a saved adapter."""

import ctypes
import logging
import os
import time
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import deepspeed
import torch
import torch.distributed as dist
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import set_seed

from selfalign.storage.store import Store
from selfalign_training.arguments import (
    find_device,
    sequence_table,
    trainer_arguments,
    use_packing,
)
from selfalign_training.batches import BatchPlan, epoch_order, padding_share
from selfalign_training.checkpoints import Checkpoint, newest_complete
from selfalign_training.config import TrainingConfig
from selfalign_training.data import Dataset
from selfalign_training.events import MetricsLog, PrometheusGauges, tell
from selfalign_training.model import load_model, lora_settings
from selfalign_training.trainer import (
    CheckpointCallback,
    EngravingTrainer,
    EpochSampler,
    ProgressCallback,
    TerminationCallback,
)

# malloc.h
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3


class Session:
    """Training on this rank. `records` and `facts` are there after `train`, on rank 0."""

    def __init__(self, config: TrainingConfig, plan: BatchPlan, job: Path, store: Store) -> None:
        self._config = config
        self._plan = plan
        self._job = job
        self._store = store
        self._trainer: EngravingTrainer | None = None
        self.records: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}

    def train(self, dataset: Dataset, tokenizer: Any) -> bool:  # noqa: ANN401
        """Trains to the end, from the newest complete checkpoint on; False after SIGTERM.

        Raises:
            ConfigError, ModelError: see load_model and newest_complete.
            StageError: the loss is no longer a number.
        """
        config, plan = self._config, self._plan
        device = find_device(config)
        quiet_third_parties(cuda=device.cuda)
        if not device.cuda:
            keep_freed_memory()
        packed = use_packing(config, device)
        start_process_group(config, cuda=device.cuda)
        self._job.mkdir(parents=True, exist_ok=True)
        arguments = trainer_arguments(config, plan, device, self._job, packed=packed)
        table = sequence_table(dataset.examples, config, plan, packed=packed)
        lengths = [len(ids) for ids in table["input_ids"]]
        # Before the model: the adapter's random half is drawn when the trainer makes it.
        set_seed(config.seed)
        termination = TerminationCallback()
        trainer = EngravingTrainer(
            sampler=EpochSampler(lengths, plan, config.seed),
            model=load_model(config, device.attention),
            args=arguments,
            train_dataset=table,
            processing_class=tokenizer,
            peft_config=lora_settings(config),
            callbacks=[CheckpointCallback(self._job, config.keep_last), termination],
        )
        trainer.remove_callback(PrinterCallback)
        self._trainer = trainer
        checkpoint = self._agree_on_checkpoint()
        log = self._report(trainer, checkpoint)
        began = time.monotonic()
        trainer.train(resume_from_checkpoint=str(checkpoint.folder) if checkpoint else None)
        if log is not None:
            log.upload()
            self.records = log.records
            order = epoch_order(lengths, plan, config.seed, 0)
            self.facts = {
                "packed": packed,
                "training_seconds": round(time.monotonic() - began, 2),
                "padding_share": round(padding_share(lengths, order, plan.micro_batch_size), 4),
                "resumed_at_step": checkpoint.step if checkpoint else 0,
            }
        return not termination.stopped

    def save_adapter(self) -> None:
        """Writes <job>/adapter on rank 0, gathered from all ranks under ZeRO-3."""
        assert self._trainer is not None
        self._trainer.save_model(str(self._job / "adapter"))
        for name in ("training_args.bin", "README.md"):
            (self._job / "adapter" / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Lets the other ranks end: what follows is rank 0's work alone."""
        if dist.is_initialized():
            dist.destroy_process_group()

    def _agree_on_checkpoint(self) -> Checkpoint | None:
        """What rank 0 finds, for all ranks: they must not look while it still deletes."""
        found: list[Any] = [None]
        if not dist.is_initialized() or dist.get_rank() == 0:
            found = [newest_complete(self._job, self._plan.ranks)]
        if dist.is_initialized():
            dist.broadcast_object_list(found, src=0)
        checkpoint: Checkpoint | None = found[0]
        return checkpoint

    def _report(
        self, trainer: EngravingTrainer, checkpoint: Checkpoint | None
    ) -> MetricsLog | None:
        """Rank 0's log, gauges and events."""
        if not trainer.is_world_process_zero():
            return None
        step = checkpoint.step if checkpoint else 0
        if checkpoint:
            tell("note", message=f"going on from the checkpoint of step {step}", step=step)
        port = self._config.metrics_port
        key = f"{self._config.output.prefix}/metrics.jsonl"
        log = MetricsLog(self._job / "metrics.jsonl", self._store, key, step)
        gauges = None if port is None else PrometheusGauges(port)
        trainer.add_callback(ProgressCallback(log, gauges))
        return log


def start_process_group(config: TrainingConfig, *, cuda: bool) -> None:
    """Starts DeepSpeed's communication, which ZeRO-3 needs before the model is loaded."""
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    deepspeed.init_distributed(
        dist_backend="nccl" if cuda else "gloo",
        timeout=timedelta(seconds=config.process_group_timeout_s),
        verbose=False,
    )


def quiet_third_parties(*, cuda: bool) -> None:
    """Warnings and errors only; no kernel is compiled for gathering a few MB between CPUs."""
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    # It remarks that accumulation is DeepSpeed's affair, which is as it should be.
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    if not cuda:
        # Compiling it takes 90 s and more; gloo gives the same losses without it.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def keep_freed_memory() -> None:
    """Has glibc keep large blocks for the next step instead of giving them back to Linux.

    On CPU the page faults of logits and activations are a third of a step's time otherwise.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)
