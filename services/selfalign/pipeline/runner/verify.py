"""`selfalign verify`: proves that a run's ledger adds up, from the store alone."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from selfalign.errors import DataError, ObjectMissing, VerificationError
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.runner.fingerprint import manifest_digest
from selfalign.pipeline.stages.kinds.stage import Stage
from selfalign.pipeline.stages.kinds.training_stage import TrainingStage
from selfalign.pipeline.stages.register import STAGES
from selfalign.storage.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, and what was wrong with it (empty: nothing)."""

    stage: str
    check: str
    fault: str = ""


def verify_run(run: Run, *, weights: bool = True) -> Iterator[Finding]:
    """Checks every finished stage; yields a finding for each check, passed or not.

    Args:
        weights: Whether weights are read too, which may be hundreds of gigabytes.
    """
    manifests = {stage.name: run.manifest(stage.name) for stage in STAGES}
    for stage in STAGES:
        manifest = manifests[stage.name]
        if manifest is None:
            continue
        if weights or not isinstance(stage, TrainingStage):
            parts = partial(_check_parts, run, manifest)
            yield _checked(stage.name, "parts are there with their digests", parts)
        fault = _upstream_fault(stage, manifest, manifests)
        yield Finding(stage.name, "made from the stages before it", fault)
        for check, prove in stage.proofs(run, manifest):
            yield _checked(stage.name, check, prove)


def refuse_faults(run: Run) -> int:
    """Proves that what a run has made so far adds up; weights are not read again.

    Returns:
        The number of checks.

    Raises:
        VerificationError: with the first three faults.
    """
    findings = list(verify_run(run, weights=False))
    faults = [f"{one.stage}: {one.check}: {one.fault}" for one in findings if one.fault]
    if faults:
        raise VerificationError(
            f"run {run.name}: {len(faults)} of {len(findings)} checks failed: "
            + "; ".join(faults[:3])
        )
    return len(findings)


def _checked(stage: str, check: str, prove: Callable[[], None]) -> Finding:
    try:
        prove()
    except (VerificationError, DataError, ObjectMissing) as error:
        return Finding(stage, check, str(error))
    return Finding(stage, check)


def _check_parts(run: Run, manifest: Manifest) -> None:
    prefix = run.prefix(manifest.stage)
    for part in (*manifest.parts, *manifest.candidates):
        data = run.store.get(f"{prefix}/{part.name}")
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise VerificationError(f"{prefix}/{part.name}: other bytes than the manifest says")


def _upstream_fault(
    stage: Stage, manifest: Manifest, manifests: Mapping[str, Manifest | None]
) -> str:
    recorded = manifest.fingerprint.get("upstream", {})
    taken_in = [name for name in stage.after_if_done if name in recorded]
    for name in (*stage.after, *taken_in):
        upstream = manifests[name]
        if upstream is None:
            return f"{name} has no manifest"
        if recorded.get(name) != manifest_digest(upstream):
            return f"{name} is not the one that {stage.name} was made from"
    return ""
