"""What the report shows of a run, and reading it from the store without holding its texts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from selfalign.errors import DataError, ObjectMissing
from selfalign.evaluation.figures import EvaluationResults
from selfalign.evaluation.report.run_stages import ReportStages
from selfalign.storage.manifest import Manifest, read_manifest
from selfalign.storage.store import Store
from selfalign.storage.tables import latest_attempts, list_parts, parse_part, schema_of

RESULTS_NAME = "results.json"
CONFIG_NAME = "run.yaml"
METRICS_NAME = "metrics.jsonl"
READ = (
    "row_id", "attempt", "status", "reason", "evidence", "source", "question_type", "topic",
    "rules", "answer", "completion_tokens",
)  # fmt: skip
MAX_EVIDENCE = 160
# Of a stage's table: texts are replaced by their lengths or cut.
VIEW_SCHEMA = schema_of([name for name in READ if name != "answer"]).append(
    pa.field("answer_chars", pa.int32())
)


@dataclass(frozen=True, slots=True)
class LossCurve:
    """A training stage's loss by step, as far as it got."""

    stage: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class RunView:
    """Everything that report.html and card.md are made of."""

    name: str
    config: str
    """The resolved configuration, as YAML."""
    stages: ReportStages
    """What the run's stages are called."""
    manifests: Sequence[Manifest]
    """Of the finished stages, in the order of the run."""
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    """VIEW_SCHEMA tables by stage; any may be absent."""
    losses: Sequence[LossCurve] = ()
    results: EvaluationResults | None = None
    principles: Mapping[int, str] = field(default_factory=dict)
    """Rule number -> name, for the heat map; taken from the results where it is empty."""

    def manifest(self, stage: str) -> Manifest | None:
        """The stage's manifest, if it is done."""
        return next((found for found in self.manifests if found.stage == stage), None)

    def table(self, stage: str) -> pa.Table:
        """The stage's table, empty if there is none."""
        return self.tables.get(stage, VIEW_SCHEMA.empty_table())

    def rule_names(self) -> dict[int, str]:
        """Rule number -> name."""
        if self.principles or self.results is None:
            return dict(self.principles)
        return {each.rule: each.name for each in self.results.citations.principles}


def load_run_view(
    store: Store,
    run_prefix: str,
    stages: ReportStages,
    results: EvaluationResults | None = None,
) -> RunView:
    """Reads <run>/run.yaml and each stage's manifest, parts, and metrics; absent ones are left out.

    Args:
        results: The evaluation; by default what its stage has stored, if it is there.

    Raises:
        DataError: an object is there but cannot be read.
        StoreError: the store failed.
    """
    manifests = [read_manifest(store, f"{run_prefix}/{stage}") for stage in stages.names]
    curves = [load_loss_curve(store, run_prefix, stage) for stage in stages.trainings]
    return RunView(
        name=run_prefix.rsplit("/", 1)[-1],
        config=_text(store, f"{run_prefix}/{CONFIG_NAME}"),
        stages=stages,
        manifests=[manifest for manifest in manifests if manifest is not None],
        tables={stage: load_stage_table(store, f"{run_prefix}/{stage}") for stage in stages.tables},
        losses=[curve for curve in curves if curve.points],
        results=results or load_results(store, f"{run_prefix}/{stages.evaluation}"),
    )


def load_stage_table(store: Store, stage_prefix: str) -> pa.Table:
    """The stage's rows, part by part, each reduced to VIEW_SCHEMA before the next is read."""
    parts = [VIEW_SCHEMA.empty_table()]
    for name in list_parts(store, stage_prefix):
        key = f"{stage_prefix}/{name}"
        parts.append(view_table(parse_part(key, store.get(key), READ)))
    return latest_attempts(pa.concat_tables(parts))


def view_table(table: pa.Table) -> pa.Table:
    """A table with (at least) the columns of READ as a VIEW_SCHEMA table."""
    chars = pc.cast(pc.utf8_length(table["answer"]), pa.int32())
    evidence = pc.utf8_slice_codeunits(table["evidence"], 0, MAX_EVIDENCE)
    place = table.schema.get_field_index("evidence")
    reduced = table.set_column(place, "evidence", evidence).append_column("answer_chars", chars)
    return reduced.select(VIEW_SCHEMA.names).cast(VIEW_SCHEMA)


def load_results(store: Store, stage_prefix: str) -> EvaluationResults | None:
    """What the evaluation stored, or None. Raises DataError."""
    key = f"{stage_prefix}/{RESULTS_NAME}"
    text = _text(store, key)
    if not text:
        return None
    try:
        return EvaluationResults.model_validate_json(text)
    except ValueError as error:
        if _of_earlier_version(text):
            raise DataError(
                f"{store.url}/{key}: results of an earlier version, which did not compare the "
                "models; report.html beside it still shows them. To evaluate the models anew run "
                "under another name with --reuse and this run's"
            ) from error
        raise DataError(f"{store.url}/{key}: not results of this version: {error}") from error


def _of_earlier_version(text: str) -> bool:
    """Whether the text is results as they were before they had a version."""
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and "summaries" in found and "version" not in found


def load_loss_curve(store: Store, run_prefix: str, stage: str) -> LossCurve:
    """Loss by step from metrics.jsonl; lines without a loss, or torn by a kill, are left out."""
    points: list[tuple[float, float]] = []
    for line in _text(store, f"{run_prefix}/{stage}/{METRICS_NAME}").splitlines():
        point = _loss(line)
        if point is not None:
            points.append(point)
    return LossCurve(stage, tuple(points))


def _loss(line: str) -> tuple[float, float] | None:
    try:
        record: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    step, loss = record.get("step"), record.get("loss")
    if not isinstance(step, int | float) or not isinstance(loss, int | float):
        return None
    # A diverged run logs NaN, which no axis can show.
    return (float(step), float(loss)) if abs(loss) < float("inf") else None


def _text(store: Store, key: str) -> str:
    """The object's text; empty where it is missing."""
    try:
        return store.get(key).decode("utf-8", errors="replace")
    except ObjectMissing:
        return ""
