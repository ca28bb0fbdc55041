"""A new run that takes over the stages of an earlier one that its settings leave unchanged."""

from collections.abc import Iterator

from selfalign.pipeline.run.run import Run, open_run
from selfalign.pipeline.runner.fingerprint import recorded_fingerprint, stage_fingerprint
from selfalign.pipeline.stages.kinds.stage import Stage
from selfalign.pipeline.stages.register import STAGES
from selfalign.storage.manifest import manifest_key


def reuse_stages(run: Run, earlier: str) -> Iterator[str]:
    """Copies finished stages with equal fingerprints, in order; stops at the first that differs.

    What the earlier run left out (`--until`) is left out here too. The manifest is copied last, so
    a copy that is cut off leaves the stage not done.
    """
    source = open_run(run.store, earlier)
    for stage in STAGES:
        if run.manifest(stage.name) is not None:
            continue
        manifest = source.manifest(stage.name)
        if manifest is None or any(run.manifest(name) is None for name in stage.after):
            continue
        expected = stage_fingerprint(run, stage)
        if recorded_fingerprint(manifest, expected) != expected:
            return
        _copy(run, source, stage)
        yield stage.name


def _copy(run: Run, source: Run, stage: Stage) -> None:
    last = manifest_key(source.prefix(stage.name))
    keys = [info.key for info in run.store.list(source.prefix(stage.name)) if info.key != last]
    for key in [*keys, last]:
        target = run.prefix(stage.name) + key.removeprefix(source.prefix(stage.name))
        run.store.put(target, run.store.get(key))
