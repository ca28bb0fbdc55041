"""The finished job's output: weights merged, files uploaded, the card, and the manifest last."""

import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from selfalign.errors import StageError
from selfalign.events import Note, Trained, emit
from selfalign.storage.manifest import Manifest, PartInfo, write_manifest
from selfalign.storage.store import Store
from selfalign_training.checkpoints.files import file_part
from selfalign_training.configuration.places import model_name
from selfalign_training.data.dataset import Dataset
from selfalign_training.data.tokenizer import Tokenizer
from selfalign_training.launch.environment import cores
from selfalign_training.model.base_model import DTYPES, base_folder
from selfalign_training.model.merge import copy_rest, merge_adapter, name_base_model
from selfalign_training.report.metrics_log import METRICS, StepRecord
from selfalign_training.report.training_card import CARD, card_facts, write_card
from selfalign_training.shipped.folder import write_chat_files
from selfalign_training.trainer.job import ADAPTER, MERGED, Job
from selfalign_training.trainer.session import TrainingResult


def publish_job(
    job: Job, dataset: Dataset, tokenizer: Tokenizer, result: TrainingResult, started: float
) -> None:
    """Merges, says how the model is asked, uploads, writes the training card; the manifest last.

    Args:
        job: Whose weights lie in its folder.
        dataset: What it was trained on.
        tokenizer: The base model's.
        result: How training went.
        started: When this rank began, in monotonic seconds.

    Raises:
        ModelError: the base model's files cannot be merged with.
        StageError: no step was logged.
        ObjectExists, StoreError: the output cannot be written.
    """
    emit(Note(text="merging and uploading the weights"))
    config, prefix = job.config, job.config.output.prefix
    base = base_folder(config.base_model)
    parts = [file_part(job.folder / METRICS, METRICS)]
    folders = _merge(job, base)
    write_chat_files(job.folder / MERGED, config, tokenizer)
    for folder in folders:
        parts += upload_folder(job.store, job.folder / folder, prefix, folder)
    details: dict[str, object] = {
        **describe(result.records),
        **dataset.counts(),
        **result.facts,
        "base_model": model_name(config.base_model),
        "data_digest": dataset.digest(),
        "ranks": job.place.world_size,
        "global_batch_size": config.global_batch_size,
        **card_facts(config, model_digest(base), result.records),
        "seconds": round(time.monotonic() - started, 2),
    }
    write_card(job.folder, prefix, config, details, result.records)
    for name in CARD:
        job.store.upload(job.folder / name, f"{prefix}/{name}")
        parts.append(file_part(job.folder / name, name))
    manifest = Manifest(
        stage=prefix.rsplit("/", 1)[-1],
        fingerprint=config.fingerprint,
        parts=tuple(parts),
        details=details,
    )
    write_manifest(job.store, prefix, manifest)
    emit(Trained.model_validate(details))


def _merge(job: Job, base: Path) -> tuple[str, ...]:
    """Makes the merged weights whole; returns the folders that the output has."""
    merged, dtype = job.folder / MERGED, DTYPES[job.config.output.dtype]
    if job.config.method == "full":
        copy_rest(base, merged, dtype)
        return (MERGED,)
    name_base_model(job.folder / ADAPTER, model_name(job.config.base_model))
    merge_adapter(base, job.folder / ADAPTER, merged, dtype)
    return ADAPTER, MERGED


def upload_folder(store: Store, folder: Path, prefix: str, name: str) -> Iterator[PartInfo]:
    """Uploads the folder's files to `<prefix>/<name>/`; yields what the manifest says of each."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            part = f"{name}/{path.relative_to(folder).as_posix()}"
            store.upload(path, f"{prefix}/{part}")
            yield file_part(path, part)


def model_digest(folder: Path) -> str:
    """16 hex digits over the names and contents of configuration and weights.

    Files are hashed side by side: 130 GB would take minutes on one core.
    """
    paths = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    with ThreadPoolExecutor(min(cores(), len(paths))) as pool:
        parts = list(pool.map(lambda path: file_part(path, path.name), paths))
    listed = "".join(f"{part.name} {part.sha256}\n" for part in parts)
    return hashlib.sha256(listed.encode()).hexdigest()[:16]


def describe(records: Sequence[StepRecord]) -> dict[str, object]:
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


def loss_by_epoch(records: Sequence[StepRecord]) -> list[float]:
    """The mean logged loss of each epoch: single steps differ by the lengths of their rows."""
    by_epoch: dict[int, list[float]] = {}
    for record in records:
        by_epoch.setdefault(math.ceil(record["epoch"]), []).append(record["loss"])
    return [round(sum(losses) / len(losses), 4) for _, losses in sorted(by_epoch.items())]
