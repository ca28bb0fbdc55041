"""Checks of everything that can be wrong, before any work starts."""

from collections.abc import Sequence

from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import FingerprintMismatch
from selfalign.evaluation.benchmark_files import load_benchmarks
from selfalign.evaluation.probes.probes_file import load_probes
from selfalign.pipeline.executors.contract.executor import Executor
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.enough_topics import check_topics
from selfalign.pipeline.run.layout import choose_layout
from selfalign.pipeline.run.run import Run, config_key, create_or_resume
from selfalign.pipeline.runner.fingerprint import describe_differences, file_digest
from selfalign.pipeline.stages.kinds.stage import Stage
from selfalign.pipeline.stages.own_prompts import check_own_prompts
from selfalign.pipeline.stages.register import STAGES
from selfalign.pipeline.stages.user_turns import check_user_turns
from selfalign.prompt_synthesizer.seeds import load_task_seeds, load_topic_seeds
from selfalign.storage.store import Store
from selfalign.weights.digest import weights_digest


def prepare(store: Store, config: RunConfig) -> Run:
    """Checks everything that needs no executor, then opens the run.

    Raises:
        StoreNotWritable, StoreError: the store does not take objects.
        FingerprintMismatch: the run exists with other settings; each difference is shown.
        ConfigError, DataError: a file that the run names is missing or wrong, the base model's
            chat template cannot be used, or there are too few topics for the prompts.
        ModelError: the base model's files cannot be read.
    """
    check_files(config)
    store.check_writable()
    check_own_prompts(store, config)
    if not store.exists(config_key(config.name)):
        check_topics(config)
        config = choose_layout(config)
        check_user_turns(Run(store, config))
    run, found = create_or_resume(store, config)
    if found:
        raise FingerprintMismatch(describe_differences(found, f"run {config.name!r} exists with"))
    return run


def check_files(config: RunConfig) -> None:
    """Reads every file that the run names, so that a wrong one is refused now."""
    load_constitution(config.constitution)
    load_task_seeds(config.task_seeds)
    load_topic_seeds(config.topic_seeds)
    for name in {name for stage in STAGES for name in stage.files}:
        file_digest(config, name)
    load_benchmarks(config.evaluate)
    load_probes(config.evaluate.probes_file)
    weights_digest(config.model.weights)


def check_stages(run: Run, executor: Executor, stages: Sequence[Stage]) -> None:
    """Has each of the stages refuse what would only fail when its turn comes."""
    for stage in stages:
        stage.check(run, executor)
