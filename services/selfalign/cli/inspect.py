"""`selfalign status`, `verify`, `show` and `export`: reading a run, changing nothing."""

import json as json_module
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from selfalign.cli.job_table import show_jobs
from selfalign.cli.terminal import printable
from selfalign.errors import ConfigError, DataError, VerificationError
from selfalign.pipeline.run.run import Run, open_run
from selfalign.pipeline.runner.verify import verify_run
from selfalign.pipeline.stages import refine
from selfalign.pipeline.stages.kinds.table_stage import TableStage
from selfalign.pipeline.stages.register import ANSWERS, STAGES, TABLES
from selfalign.storage.open import open_store
from selfalign.storage.rows import Row, RowStatus
from selfalign.storage.tables import list_parts, read_rows, to_rows

StoreOption = Annotated[
    str, typer.Option("--store", help="Folder or bucket of the runs.", envvar="SELFALIGN_STORE")
]
RunOption = Annotated[str, typer.Option("--run", help="The run's name.", envvar="SELFALIGN_RUN")]


# The stages whose rows are pairs of prompt and answer.
EXPORTED = tuple(stage.name for stage in ANSWERS)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for name, command in (
        ("status", status_command),
        ("verify", verify_command),
        ("show", show_command),
        ("export", export_command),
    ):
        app.command(name)(command)


def status_command(
    run: RunOption,
    store: StoreOption = "runs",
    json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="The run's Jobs in a cluster; reads no store.")
    ] = False,
    namespace: Annotated[
        str | None, typer.Option(help="With --kubernetes; the context's by default.")
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="With --kubernetes: a context of the kubeconfig.")
    ] = None,
) -> None:
    """The funnel of a run: each stage's inputs, accepted, rejected by reason, failed."""
    if kubernetes:
        show_jobs(run, namespace, context, as_json=json)
        return
    if namespace or context:
        raise ConfigError("--namespace and --context go with --kubernetes")
    opened = open_run(open_store(store), run)
    manifests = {stage: opened.manifest(stage.name) for stage in STAGES}
    if json:
        dumped = {
            stage.name: manifest.model_dump(mode="json") if manifest else None
            for stage, manifest in manifests.items()
        }
        print(json_module.dumps(dumped))
        return
    table = Table(title=f"run {run}")
    for column in ("stage", "state", "inputs", "accepted", "rejected", "failed", "reasons"):
        table.add_column(
            column, justify="left" if column in ("stage", "state", "reasons") else "right"
        )
    for stage, manifest in manifests.items():
        if manifest is None:
            table.add_row(stage.name, _unfinished(opened, stage.name), "", "", "", "", "")
        elif isinstance(stage, TableStage):
            counts = (manifest.inputs, manifest.accepted, manifest.rejected, manifest.failed)
            reasons = ", ".join(f"{name} {count}" for name, count in manifest.reasons.items())
            table.add_row(stage.name, "done", *map(str, counts), printable(reasons))
        else:
            table.add_row(stage.name, "done", "", "", "", "", "")
    Console(markup=False, width=None if sys.stdout.isatty() else 160).print(table)


def _unfinished(run: Run, stage: str) -> str:
    parts = len(list_parts(run.store, run.prefix(stage)))
    return f"{parts} parts" if parts else "not started"


def verify_command(run: RunOption, store: StoreOption = "runs") -> None:
    """Proves that the ledger adds up: digests, counts, no row lost, doubled or foreign."""
    faults = 0
    for finding in verify_run(open_run(open_store(store), run)):
        faults += bool(finding.fault)
        mark = "FAULT" if finding.fault else "ok"
        fault = printable(finding.fault and f": {finding.fault}")
        print(f"{mark:5} {finding.stage:8} {finding.check}{fault}")
    if faults:
        raise VerificationError(f"run {run}: {faults} checks failed")
    print(f"run {run}: verified")


def show_command(
    prompt_id: Annotated[str, typer.Argument(help="A prompt id, or the start of one.")],
    run: RunOption,
    store: StoreOption = "runs",
) -> None:
    """A row's whole story: every stage that saw the prompt, with reason and evidence."""
    opened = open_run(open_store(store), run)
    found = 0
    for stage in TABLES:
        for row in _matching(opened, stage.name, prompt_id):
            found += 1
            reason = printable(row.reason and f" ({row.reason})")
            print(f"── {stage.name}: {row.status}{reason}")
            for name, value in row.as_dict().items():
                if value not in ("", (), 0, 0.0, False, row.status, row.reason):
                    text = printable(str(value)).replace("\n", "\n" + " " * 20)
                    print(f"   {name:16} {text}")
    if not found:
        raise DataError(f"no row of run {run} has a prompt id that starts with {prompt_id!r}")


def _matching(run: Run, stage: str, prompt_id: str) -> Iterator[Row]:
    for row in to_rows(read_rows(run.store, run.prefix(stage))):
        if row.prompt_id.startswith(prompt_id):
            yield row


def export_command(
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSONL file to write.")],
    run: RunOption,
    stage: Annotated[str, typer.Option(help=f"{' or '.join(EXPORTED)}.")] = refine.STAGE.name,
    store: StoreOption = "runs",
) -> None:
    """Writes a stage's accepted rows as JSON lines: prompt_id, instruction, input, output."""
    if stage not in EXPORTED:
        raise ConfigError(f"--stage: {stage!r}; expected {' or '.join(EXPORTED)}")
    opened = open_run(open_store(store), run)
    if opened.manifest(stage) is None:
        raise DataError(f"stage {stage} of run {run} is not done; finish it with selfalign run")
    table = read_rows(opened.store, f"{run}/{stage}", status=RowStatus.ACCEPTED)
    try:
        _write_rows(to_rows(table), output)
    except OSError as error:
        raise ConfigError(
            f"--output: {output} cannot be written: {error.strerror or error}; expected a file in "
            "a folder that is there and has room"
        ) from error
    print(f"{table.num_rows} rows written to {output}")


def _write_rows(rows: Iterable[Row], output: Path) -> None:
    """Whole or not at all; into a device or a pipe as it is, which no file may replace."""
    special = output.exists() and not output.is_file()
    target = output if special else output.with_name(output.name + ".partial")
    try:
        with target.open("w", encoding="utf-8") as file:
            for row in rows:
                record = {
                    "prompt_id": row.prompt_id,
                    "instruction": row.instruction,
                    "input": row.input,
                    "output": row.answer,
                }
                file.write(json_module.dumps(record, ensure_ascii=False) + "\n")
        if not special:
            target.replace(output)
    finally:
        if not special:
            target.unlink(missing_ok=True)
