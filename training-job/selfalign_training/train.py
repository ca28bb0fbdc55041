"""One training job from start to end: data, model, training, export."""

import math
import os
import shutil
import time
from enum import Enum, auto
from pathlib import Path
from typing import Any

from selfalign.errors import StageError
from selfalign.storage.manifest import read_manifest
from selfalign.storage.open import open_store
from selfalign.storage.rows import content_hash
from selfalign.storage.store import Store
from selfalign_training.batches import plan_batches
from selfalign_training.card import CARD, card_facts, write_card
from selfalign_training.checkpoints.catalogue import delete_checkpoints
from selfalign_training.checkpoints.node import read_node
from selfalign_training.config import TrainingConfig
from selfalign_training.data.dataset import Dataset, find_sources, load_dataset
from selfalign_training.device import check_device
from selfalign_training.events import tell
from selfalign_training.ranks import job_folder, read_ranks
from selfalign_training.reporters import check_reporters

# What may change between two starts of the same job without making its checkpoints useless.
NOT_PART_OF_THE_JOB = {
    "work_dir",
    "metrics_port",
    "fingerprint",
    # Which sequences make up a step follows from the global batch size alone.
    "micro_batch_size",
    "save_steps",
    "keep_last",
    "logging_steps",
    "log_samples",
    "process_group_timeout_s",
    "report_to",
}


class Outcome(Enum):
    """How a job ended that did not fail."""

    DONE = auto()
    ALREADY_DONE = auto()
    TERMINATED = auto()


def run_job(config: TrainingConfig) -> Outcome:
    """Trains, merges and publishes, on every rank of the job.

    What can be wrong with configuration and data is found before torch is imported.

    Raises:
        ConfigError, DataError, ModelError, StoreError: as their messages say.
        StageError: the loss is no longer a number.
    """
    started = time.monotonic()
    check_reporters(config.report_to)
    check_device(config)
    ranks, node = read_ranks(), read_node()
    plan = plan_batches(config.global_batch_size, config.micro_batch_size, ranks.world_size)
    store = open_store(config.output.store)
    if read_manifest(store, config.output.prefix) is not None:
        if ranks.first:
            tell("note", message=f"{store.url}/{config.output.prefix} is done already")
            delete_checkpoints(store, config.output.prefix)
        return Outcome.ALREADY_DONE
    if ranks.first:
        store.check_writable()
    sources = find_sources(config)

    choose_accelerator()
    from selfalign_training.model import check_base, load_tokenizer
    from selfalign_training.targets import check_targets

    check_base(config)
    if config.method != "full":
        check_targets(config.base_model, config.lora.targets)
    tokenizer = load_tokenizer(config.base_model)
    dataset = load_dataset(config, sources, tokenizer, node)
    if ranks.first:
        tell("data", **dataset.counts())
    if ranks.first and dataset.rows.dropped_overlong:
        tell("note", message=dataset.rows.overlong_note(config.max_length))

    from selfalign_training.session import Session

    key = job_key(config, dataset)
    job = job_folder(config.work_dir, key, node.index)
    session = Session(config, plan, job, store, key)
    try:
        if not session.train(dataset, tokenizer):
            return Outcome.TERMINATED
        session.save_weights()
    finally:
        session.close()
    if ranks.first:
        details = {
            **describe(session.records),
            **dataset.counts(),
            **session.facts,
            "base_model": config.base_model,
            "data_digest": dataset.digest(),
            "ranks": ranks.world_size,
            "global_batch_size": config.global_batch_size,
        }
        publish_job(config, store, job, details, session.records, started)
        delete_checkpoints(store, config.output.prefix)
    if node.leads:
        shutil.rmtree(job, ignore_errors=True)
        shutil.rmtree(dataset.folder, ignore_errors=True)
    return Outcome.DONE


def choose_accelerator() -> None:
    """Tells DeepSpeed, before it is imported, what it would otherwise guess with a warning."""
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")


def job_key(config: TrainingConfig, dataset: Dataset) -> str:
    """Names what a checkpoint belongs to: the settings that matter, and the data."""
    settings = config.model_dump_json(exclude=NOT_PART_OF_THE_JOB)
    return content_hash(settings, dataset.digest())


def describe(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The loss curve and its ends. Raises StageError if nothing was logged."""
    if not records:
        raise StageError("no step was logged; lower logging_steps")
    return {
        "steps": records[-1]["steps"],
        "loss_first": records[0]["loss"],
        "loss_last": records[-1]["loss"],
        "loss_by_epoch": loss_by_epoch(records),
        "losses": [[record["step"], record["loss"]] for record in records],
    }


def loss_by_epoch(records: list[dict[str, Any]]) -> list[float]:
    """The mean logged loss of each epoch: single steps differ by the lengths of their rows."""
    by_epoch: dict[int, list[float]] = {}
    for record in records:
        by_epoch.setdefault(math.ceil(record["epoch"]), []).append(record["loss"])
    return [round(sum(losses) / len(losses), 4) for _, losses in sorted(by_epoch.items())]


def publish_job(
    config: TrainingConfig,
    store: Store,
    job: Path,
    details: dict[str, Any],
    records: list[dict[str, Any]],
    started: float,
) -> None:
    """Merges, uploads, writes the training card, and the manifest last."""
    from selfalign_training.export import ADAPTER, MERGED, file_part, publish, upload_folder
    from selfalign_training.merge import copy_rest, merge_adapter
    from selfalign_training.model import DTYPES, base_folder

    tell("note", message="merging and uploading the weights")
    prefix, dtype = config.output.prefix, DTYPES[config.output.dtype]
    base = base_folder(config.base_model)
    folders = [MERGED]
    if config.method == "full":
        copy_rest(base, job / MERGED, dtype)
    else:
        merge_adapter(base, job / ADAPTER, job / MERGED, dtype)
        folders = [ADAPTER, MERGED]
    parts = [file_part(job / "metrics.jsonl", "metrics.jsonl")]
    for folder in folders:
        parts += upload_folder(store, job / folder, prefix, folder)
    details |= card_facts(config, base, records)
    details["seconds"] = round(time.monotonic() - started, 2)
    write_card(job, prefix, config, details, records)
    for name in CARD:
        store.upload(job / name, f"{prefix}/{name}")
        parts.append(file_part(job / name, name))
    publish(store, prefix, parts, config.fingerprint, details)
    tell("trained", **{key: details[key] for key in ("loss_first", "loss_last", "seconds")})
