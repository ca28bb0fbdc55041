"""One training job from start to end, on each of its ranks: data, model, training, output."""

import shutil
import time
from enum import Enum, auto

from selfalign.events import Data, Note, emit
from selfalign.storage.manifest import read_manifest
from selfalign.storage.open import open_store
from selfalign.storage.store import Store
from selfalign_training.checkpoints.catalogue import delete_checkpoints
from selfalign_training.configuration.batch_plan import plan_batches
from selfalign_training.configuration.deepspeed_keys import check_deepspeed_keys
from selfalign_training.configuration.identity import job_key
from selfalign_training.configuration.precision import with_precision
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.data.dataset import Dataset, Sources, find_sources, load_dataset
from selfalign_training.data.tokenizer import Tokenizer
from selfalign_training.launch.environment import choose_accelerator
from selfalign_training.launch.place import Place, read_place
from selfalign_training.model.device import check_device
from selfalign_training.report.reporters import check_reporters
from selfalign_training.trainer.job import Job


class Outcome(Enum):
    """How a job ended that did not fail."""

    DONE = auto()
    ALREADY_DONE = auto()
    TERMINATED = auto()


def run_job(config: TrainingConfig) -> Outcome:
    """Trains, merges and publishes, on every rank of the job.

    What can be wrong with configuration and data is found before the model is loaded.

    Raises:
        ConfigError, DataError, ModelError, StoreError: as their messages say.
        StageError: the loss is no longer a number.
    """
    started = time.monotonic()
    check_reporters(config.report_to)
    config = with_precision(config)
    check_device(config)
    place = read_place()
    plan = plan_batches(config.global_batch_size, config.micro_batch_size, place.world_size)
    store = open_store(config.output.store)
    if _is_done(store, config, place):
        return Outcome.ALREADY_DONE
    if place.first:
        store.check_writable()
    sources = find_sources(config)

    choose_accelerator()
    if config.deepspeed_config is not None:
        check_deepspeed_keys(config.deepspeed_config)
    dataset, tokenizer = _prepare_data(config, sources, place)
    job = Job(config, place, plan, store, job_key(config, dataset.digest()))

    from selfalign_training.trainer.session import Session

    session = Session(job)
    try:
        if not session.train(dataset, tokenizer):
            return Outcome.TERMINATED
        session.save_weights()
    finally:
        session.close()
    if place.first:
        from selfalign_training.trainer.publish import publish_job

        publish_job(job, dataset, tokenizer, session.result(), started)
        delete_checkpoints(store, config.output.prefix)
    if place.leads_node:
        shutil.rmtree(job.folder, ignore_errors=True)
        shutil.rmtree(dataset.folder, ignore_errors=True)
    return Outcome.DONE


def _is_done(store: Store, config: TrainingConfig, place: Place) -> bool:
    """Whether the output has its manifest; checkpoints that a kill left behind are deleted."""
    if read_manifest(store, config.output.prefix) is None:
        return False
    if place.first:
        emit(Note(text=f"{store.url}/{config.output.prefix} is done already"))
        delete_checkpoints(store, config.output.prefix)
    return True


def _prepare_data(
    config: TrainingConfig, sources: Sources, place: Place
) -> tuple[Dataset, Tokenizer]:
    """The tokenized rows, once the base model has passed what can be checked without loading it."""
    from selfalign_training.model.base_model import check_base, load_tokenizer
    from selfalign_training.model.targets import check_targets

    check_base(config)
    if config.method != "full":
        check_targets(config.base_model, config.lora.targets)
    tokenizer = load_tokenizer(config.base_model)
    dataset = load_dataset(config, sources, tokenizer, place)
    if place.first:
        emit(Data(counts=dataset.counts()))
        if dataset.rows.dropped_overlong:
            emit(Note(text=dataset.rows.overlong_note(config.max_length)))
    return dataset, tokenizer
