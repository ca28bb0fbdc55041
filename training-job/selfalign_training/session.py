"""The part of a job that needs torch: from tokenized data to a saved adapter."""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from transformers.trainer_callback import PrinterCallback, TrainerCallback
from transformers.trainer_utils import set_seed
from trl.trainer.sft_config import SFTConfig

from selfalign.storage.store import Store
from selfalign_training.arguments import trainer_arguments
from selfalign_training.batches import BatchPlan, epoch_order, padding_share
from selfalign_training.checkpoints.catalogue import Catalogue
from selfalign_training.checkpoints.keeper import Keeper
from selfalign_training.checkpoints.node import read_node
from selfalign_training.checkpoints.restore import Checkpoint
from selfalign_training.config import TrainingConfig
from selfalign_training.data.dataset import Dataset
from selfalign_training.data.table import SequenceTable
from selfalign_training.device import Device, find_device, use_packing
from selfalign_training.events import MetricsLog, tell
from selfalign_training.export import ADAPTER, MERGED
from selfalign_training.metrics import Exporter
from selfalign_training.mfu import find_peak
from selfalign_training.model import DTYPES, load_model, lora_settings
from selfalign_training.process import (
    exchange,
    keep_freed_memory,
    quiet_third_parties,
    start_process_group,
)
from selfalign_training.progress import ProgressCallback
from selfalign_training.reporters import place_logs
from selfalign_training.samples import SampleLog, earlier_logs, sample_file
from selfalign_training.trainer import (
    EngravingTrainer,
    EpochCallback,
    EpochSampler,
    SampleCallback,
    TerminationCallback,
)
from selfalign_training.weights import save_full_model
from selfalign_training.zero import deepspeed_settings

METRICS = "metrics.jsonl"


class Session:
    """Training on this rank. `records` and `facts` are there after `train`, on rank 0."""

    def __init__(
        self, config: TrainingConfig, plan: BatchPlan, job: Path, store: Store, key: str
    ) -> None:
        """`job` is the job's folder on this node's disk, `key` its name in the store."""
        self._config = config
        self._plan = plan
        self._job = job
        self._store = store
        self._key = key
        self._node = read_node()
        self._logs: list[Path] = []
        self._trainer: EngravingTrainer | None = None
        self._progress: ProgressCallback | None = None
        self.records: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}

    def train(self, dataset: Dataset, tokenizer: Any) -> bool:  # noqa: ANN401
        """Trains to the end, from the newest whole checkpoint on; False after SIGTERM.

        Raises:
            ConfigError, ModelError: see load_model and Keeper.resume.
            DataError, StoreError: see Keeper.
            StageError: the loss is no longer a number.
        """
        config = self._config
        device = find_device(config)
        quiet_third_parties(cuda=device.cuda)
        if not device.cuda:
            keep_freed_memory()
        start_process_group(config, cuda=device.cuda)
        self._job.mkdir(parents=True, exist_ok=True)
        keeper = self._keeper()
        checkpoint, universal = keeper.resume(deepspeed_settings(config, cuda=device.cuda))
        place_logs(config.work_dir, self._key)
        packed = use_packing(config, device)
        table = SequenceTable(
            dataset.tokens, self._plan, pack_to=config.max_length if packed else None
        )
        samples = self._sample_log(table.prompt_ids, checkpoint)
        arguments = trainer_arguments(
            config, self._plan, device, self._job, packed=packed, universal=universal
        )
        termination = TerminationCallback()
        trainer = self._trainer = self._build(
            arguments, device, table, tokenizer, keeper, samples, termination
        )
        log = self._report(trainer, checkpoint, dataset.counts())
        began = time.monotonic()
        trainer.train(resume_from_checkpoint=str(checkpoint.folder) if checkpoint else None)
        keeper.finish(needed=termination.stopped)
        if log is not None:
            log.upload()
            self.records = log.records
            self.facts = {
                "packed": packed,
                "training_seconds": round(time.monotonic() - began, 2),
                "padding_share": round(self._padding_share(table), 4),
                "resumed_at_step": checkpoint.step if checkpoint else 0,
            }
        if samples is not None and not termination.stopped:
            self._upload_samples()
        return not termination.stopped

    def _build(
        self,
        arguments: SFTConfig,
        device: Device,
        table: SequenceTable,
        tokenizer: Any,  # noqa: ANN401
        keeper: Keeper,
        samples: SampleLog | None,
        termination: TerminationCallback,
    ) -> EngravingTrainer:
        """The trainer over the loaded model."""
        config = self._config
        # Before the model: the adapter's random half is drawn when the trainer makes it.
        set_seed(config.seed)
        sampler = EpochSampler(table.lengths.tolist(), self._plan.global_batch_size, config.seed)
        callbacks: list[TrainerCallback] = [EpochCallback(sampler), termination]
        if samples is not None:
            callbacks.append(SampleCallback(samples))
        trainer = EngravingTrainer(
            sampler=sampler,
            samples=samples,
            on_saved=lambda step, began: keeper.saved(step, began, self._logs),
            model=load_model(config, device.attention),
            args=arguments,
            train_dataset=table.for_trainer(),
            processing_class=tokenizer,
            peft_config=None if config.method == "full" else lora_settings(config),
            callbacks=callbacks,
        )
        trainer.remove_callback(PrinterCallback)
        return trainer

    def _padding_share(self, table: SequenceTable) -> float:
        lengths = table.lengths.tolist()
        order = epoch_order(lengths, self._plan.global_batch_size, self._config.seed, 0)
        return padding_share(lengths, order, self._plan.micro_batch_size)

    def save_weights(self) -> None:
        """Writes <job>/adapter, or <job>/merged of a model trained as a whole, on rank 0.

        All ranks take part: under ZeRO-3 each has a share of every tensor.
        """
        assert self._trainer is not None
        if self._config.method == "full":
            first = self._trainer.is_world_process_zero()
            dtype = DTYPES[self._config.output.dtype]
            save_full_model(self._trainer.model, self._job / MERGED, dtype, first=first)
            return
        self._trainer.save_model(str(self._job / ADAPTER))
        for name in ("training_args.bin", "README.md"):
            (self._job / ADAPTER / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Lets the other ranks end: what follows is rank 0's work alone."""
        if dist.is_initialized():
            dist.destroy_process_group()

    def _keeper(self) -> Keeper:
        catalogue = Catalogue(self._store, self._config.output.prefix, self._key)
        return Keeper(
            catalogue,
            self._node,
            self._job,
            exchange,
            keep_last=self._config.keep_last,
            # Shorter than the ranks' patience, so that a node that is late costs one checkpoint.
            time_limit=self._config.process_group_timeout_s / 2,
            on_done=self._checkpoint_done,
        )

    def _checkpoint_done(self, seconds: float) -> None:
        if self._progress is not None:
            self._progress.checkpoint_done(seconds)

    def _sample_log(
        self, prompt_ids: Callable[[int], Sequence[str]], checkpoint: Checkpoint | None
    ) -> SampleLog | None:
        if not self._config.log_samples:
            return None
        rank, earlier = self._node.rank, []
        if checkpoint is not None:
            same_ranks = checkpoint.world_size == self._plan.ranks
            earlier = earlier_logs(checkpoint.folder, rank, same_ranks=same_ranks)
        path = self._job / sample_file(rank)
        self._logs.append(path)
        return SampleLog(path, prompt_ids, earlier)

    def _upload_samples(self) -> None:
        """Every rank its own log; all are there before the output's manifest is."""
        name = sample_file(self._node.rank)
        self._store.upload(self._job / name, f"{self._config.output.prefix}/{name}")
        exchange(None)

    def _report(
        self, trainer: EngravingTrainer, checkpoint: Checkpoint | None, counts: dict[str, Any]
    ) -> MetricsLog | None:
        """Rank 0's log, metrics and events."""
        if not trainer.is_world_process_zero():
            return None
        log = self._open_log(checkpoint)
        port = self._config.metrics_port
        exporter = None if port is None else Exporter(port)
        if exporter is not None:
            exporter.show_rows(counts)
        card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
        mean = counts["tokens"] / counts["sequences"]
        peak = find_peak(self._config, card, self._plan.ranks, mean)
        self._progress = ProgressCallback(log, exporter, peak)
        trainer.add_callback(self._progress)
        return log

    def _open_log(self, checkpoint: Checkpoint | None) -> MetricsLog:
        """The metrics log, which goes on where the checkpoint was written."""
        path = self._job / METRICS
        step = checkpoint.step if checkpoint else 0
        if checkpoint:
            ranks = f", written by {checkpoint.world_size} ranks"
            other = checkpoint.world_size != self._plan.ranks
            message = f"going on from the checkpoint of step {step}{ranks if other else ''}"
            tell("note", message=message, step=step)
            # A fresh disk has none, and an old one may know of later steps.
            shutil.copyfile(checkpoint.folder / METRICS, path)
        self._logs.append(path)
        return MetricsLog(path, self._store, f"{self._config.output.prefix}/{METRICS}", step)
