"""`selfalign verify`: proves that a run's ledger adds up, from the store alone."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from selfalign.errors import DataError, ObjectMissing, VerificationError
from selfalign.pipeline.fingerprint import UPSTREAM, manifest_digest
from selfalign.pipeline.run import Run
from selfalign.pipeline.stages.inputs import accepted_prompts, split_held_out
from selfalign.pipeline.stages.ledger import check_rows, count_rows, read_ledger
from selfalign.storage.manifest import Manifest
from selfalign.storage.rows import prompt_id
from selfalign.storage.stages import STAGES, TABLE_STAGES, StageName


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, and what was wrong with it (empty: nothing)."""

    stage: str
    check: str
    fault: str = ""


def verify_run(run: Run) -> Iterator[Finding]:
    """Checks every finished stage; yields a finding for each check, passed or not."""
    manifests = {stage: run.manifest(stage) for stage in STAGES}
    for stage, manifest in manifests.items():
        if manifest is None:
            continue
        yield _checked(
            stage, "parts are there with their digests", partial(_check_parts, run, manifest)
        )
        yield Finding(
            stage, "made from the stages before it", _upstream_fault(stage, manifest, manifests)
        )
        if stage in TABLE_STAGES:
            yield _checked(
                stage,
                "rows add up, none doubled or lost",
                partial(_check_table, run, stage, manifest),
            )
    if manifests["prompts"] is not None:
        yield _checked("prompts", "ids are the content's", partial(_check_prompt_ids, run))


def _checked(stage: str, check: str, prove: Callable[[], None]) -> Finding:
    try:
        prove()
    except (VerificationError, DataError, ObjectMissing) as error:
        return Finding(stage, check, str(error))
    return Finding(stage, check)


def _check_parts(run: Run, manifest: Manifest) -> None:
    prefix = f"{run.name}/{manifest.stage}"
    for part in manifest.parts:
        data = run.store.get(f"{prefix}/{part.name}")
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise VerificationError(f"{prefix}/{part.name}: other bytes than the manifest says")


def _upstream_fault(
    stage: StageName, manifest: Manifest, manifests: dict[StageName, Manifest | None]
) -> str:
    recorded = manifest.fingerprint.get("upstream", {})
    for name in UPSTREAM[stage]:
        upstream = manifests[name]
        if upstream is None:
            return f"{name} has no manifest"
        if recorded.get(name) != manifest_digest(upstream):
            return f"{name} is not the one that {stage} was made from"
    return ""


def _check_table(run: Run, stage: StageName, manifest: Manifest) -> None:
    ledger, parts = read_ledger(run, stage)
    unlisted = {part.name for part in parts} - {part.name for part in manifest.parts}
    if unlisted:
        raise VerificationError(f"parts that the manifest does not list: {', '.join(unlisted)}")
    expected = None
    if stage in ("align", "refine"):
        prompts, _ = split_held_out(run, accepted_prompts(run))
        expected = {row.prompt_id for row in prompts}
    counts = count_rows(check_rows(stage, ledger, expected))
    recorded = manifest.model_dump(include=set(counts))
    if counts != recorded:
        raise VerificationError(f"the rows count {counts}, the manifest says {recorded}")
    if manifest.inputs != manifest.accepted + manifest.rejected + manifest.failed:
        raise VerificationError("inputs != accepted + rejected + failed")


def _check_prompt_ids(run: Run) -> None:
    rows = accepted_prompts(run)
    if len({row.prompt_id for row in rows}) < len(rows):
        raise VerificationError("two accepted prompts have the same id")
    for row in rows:
        if prompt_id(row.instruction, row.input) != row.prompt_id:
            raise VerificationError(f"{row.prompt_id}: not the hash of its instruction and input")
