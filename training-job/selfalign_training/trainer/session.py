"""The part of a job that needs torch: from tokenized data to a saved adapter."""

import time
from dataclasses import dataclass
from pathlib import Path

from transformers.trainer_callback import PrinterCallback, TrainerCallback
from transformers.trainer_utils import set_seed

from selfalign_training.checkpoints.catalogue import Catalogue
from selfalign_training.checkpoints.manager import CheckpointManager
from selfalign_training.checkpoints.restore import Checkpoint
from selfalign_training.configuration.zero import deepspeed_settings
from selfalign_training.data.dataset import Dataset
from selfalign_training.data.sequence_table import SequenceTable
from selfalign_training.data.tokenizer import Tokenizer
from selfalign_training.launch.environment import keep_freed_memory
from selfalign_training.launch.process_group import (
    end_process_group,
    exchange,
    quiet_third_parties,
    start_process_group,
)
from selfalign_training.model.base_model import DTYPES, load_model, lora_settings
from selfalign_training.model.device import find_device, use_packing
from selfalign_training.model.gathered_weights import save_full_model
from selfalign_training.report.metrics_log import StepRecord
from selfalign_training.report.reporters import place_logs
from selfalign_training.trainer.arguments import trainer_arguments
from selfalign_training.trainer.callbacks import (
    EpochCallback,
    SampleCallback,
    TerminationCallback,
)
from selfalign_training.trainer.engraving_trainer import EngravingTrainer
from selfalign_training.trainer.epoch_order import EpochSampler, epoch_order, padding_share
from selfalign_training.trainer.job import ADAPTER, MERGED, Job
from selfalign_training.trainer.reporting import Reporting, open_reporting
from selfalign_training.trainer.sample_log import SampleLog, earlier_logs, sample_file


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How training went, on rank 0."""

    records: list[StepRecord]
    facts: dict[str, object]
    """For the manifest: packed, training_seconds, padding_share, resumed_at_step."""


class Session:
    """Training on this rank: `train`, `save_weights`, `close`, then `result` on rank 0."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._config = job.config
        self._device = find_device(job.config)
        self._logs: list[Path] = []
        """This rank's logs, which become part of each checkpoint."""
        self._trainer: EngravingTrainer | None = None
        self._reporting: Reporting | None = None
        """On rank 0."""
        self._result: TrainingResult | None = None

    def train(self, dataset: Dataset, tokenizer: Tokenizer) -> bool:
        """Trains to the end, from the newest whole checkpoint on; False after SIGTERM.

        Raises:
            ConfigError, ModelError: see load_model and CheckpointManager.resume.
            DataError, StoreError: see CheckpointManager.
            StageError: the loss is no longer a number.
        """
        self._start_process()
        checkpoints = self._checkpoint_manager()
        checkpoint, universal = checkpoints.resume(
            deepspeed_settings(self._config, cuda=self._device.cuda)
        )
        table = self._table(dataset)
        samples = self._sample_log(table, checkpoint)
        termination = TerminationCallback()
        callbacks: list[TrainerCallback] = [termination]
        if self._job.place.first:
            self._reporting = open_reporting(self._job, checkpoint, dataset.counts())
            self._logs.append(self._reporting.log.path)
            callbacks.append(self._reporting.progress)
        trainer = self._trainer = self._build(table, tokenizer, samples, universal=universal)
        trainer.on_saved = lambda step, began: checkpoints.saved(step, began, self._logs)
        for callback in callbacks:
            trainer.add_callback(callback)
        began = time.monotonic()
        trainer.train(resume_from_checkpoint=str(checkpoint.folder) if checkpoint else None)
        checkpoints.finish(needed=termination.stopped)
        if self._reporting is not None:
            self._reporting.log.upload()
            facts: dict[str, object] = {
                "packed": use_packing(self._config, self._device),
                "training_seconds": round(time.monotonic() - began, 2),
                "padding_share": round(self._padding_share(table), 4),
                "resumed_at_step": checkpoint.step if checkpoint else 0,
            }
            self._result = TrainingResult(self._reporting.log.records, facts)
        if samples is not None and not termination.stopped:
            self._upload_samples()
        return not termination.stopped

    def save_weights(self) -> None:
        """Writes <job>/adapter, or <job>/merged of a model trained as a whole, on rank 0.

        All ranks take part: under ZeRO-3 each has a share of every tensor.
        """
        assert self._trainer is not None
        if self._config.method == "full":
            model, first = self._trainer.model, self._job.place.first
            assert model is not None
            dtype = DTYPES[self._config.output.dtype]
            save_full_model(model, self._job.folder / MERGED, dtype, first=first)
            return
        self._trainer.save_model(str(self._job.folder / ADAPTER))
        for name in ("training_args.bin", "README.md"):
            (self._job.folder / ADAPTER / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Lets the other ranks end: what follows is rank 0's work alone."""
        end_process_group()

    def result(self) -> TrainingResult:
        """How training went; there on rank 0 once `train` has ended."""
        assert self._result is not None
        return self._result

    def _start_process(self) -> None:
        """The process group, and what this process's libraries need before a model is there."""
        cuda = self._device.cuda
        quiet_third_parties(cuda=cuda)
        if not cuda:
            keep_freed_memory()
        start_process_group(self._config.process_group_timeout_s, cuda=cuda)
        self._job.folder.mkdir(parents=True, exist_ok=True)
        place_logs(self._config.work_dir, self._job.key)

    def _checkpoint_manager(self) -> CheckpointManager:
        job = self._job
        return CheckpointManager(
            Catalogue(job.store, self._config.output.prefix, job.key),
            job.place,
            job.folder,
            exchange,
            keep_last=self._config.keep_last,
            # Shorter than the ranks' patience, so that a node that is late costs one checkpoint.
            time_limit=self._config.process_group_timeout_s / 2,
            on_done=self._checkpoint_done,
        )

    def _checkpoint_done(self, seconds: float) -> None:
        if self._reporting is not None:
            self._reporting.progress.checkpoint_done(seconds)

    def _table(self, dataset: Dataset) -> SequenceTable:
        packed = use_packing(self._config, self._device)
        pack_to = self._config.max_length if packed else None
        return SequenceTable(dataset.tokens, self._job.plan, pack_to=pack_to)

    def _build(
        self,
        table: SequenceTable,
        tokenizer: Tokenizer,
        samples: SampleLog | None,
        *,
        universal: bool,
    ) -> EngravingTrainer:
        """The trainer over the loaded model."""
        config, device = self._config, self._device
        # Before the model: the adapter's random half is drawn when the trainer makes it.
        set_seed(config.seed)
        sampler = EpochSampler(
            table.lengths.tolist(), self._job.plan.global_batch_size, config.seed
        )
        callbacks: list[TrainerCallback] = [EpochCallback(sampler)]
        if samples is not None:
            callbacks.append(SampleCallback(samples))
        # TRL's arguments first: under ZeRO-3 transformers shards the model as it loads it.
        arguments = trainer_arguments(
            config,
            self._job.plan,
            device,
            self._job.folder,
            packed=use_packing(config, device),
            universal=universal,
        )
        trainer = EngravingTrainer(
            sampler=sampler,
            samples=samples,
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
        lengths, plan = table.lengths.tolist(), self._job.plan
        order = epoch_order(lengths, plan.global_batch_size, self._config.seed, 0)
        return padding_share(lengths, order, plan.micro_batch_size)

    def _sample_log(self, table: SequenceTable, checkpoint: Checkpoint | None) -> SampleLog | None:
        if not self._config.log_samples:
            return None
        place = self._job.place
        earlier: list[Path] = []
        if checkpoint is not None:
            same_ranks = checkpoint.world_size == place.world_size
            earlier = earlier_logs(checkpoint.folder, place.rank, same_ranks=same_ranks)
        path = self._job.folder / sample_file(place.rank)
        self._logs.append(path)
        return SampleLog(path, table.prompt_ids, earlier)

    def _upload_samples(self) -> None:
        """Every rank its own log; all are there before the output's manifest is."""
        name = sample_file(self._job.place.rank)
        key = f"{self._config.output.prefix}/{name}"
        self._job.store.upload(self._job.folder / name, key)
        exchange(None)
