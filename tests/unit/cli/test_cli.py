"""The command line: every command teaches, every mistake has a message and an exit code."""

import importlib
import json
import os
import pkgutil
import threading
from pathlib import Path

import pytest
import typer

from selfalign import cli
from selfalign.cli.__main__ import run
from selfalign.cli.app import build_app
from selfalign.cli.display import stage_cells
from selfalign.cli.run import parse_overrides
from selfalign.errors import ConfigError
from selfalign.events import Rows, StageDone, StageStarted
from selfalign.pipeline.progress.stage_progress import StageProgress
from selfalign.pipeline.services.register import SERVICES
from selfalign.storage.manifest import Manifest, write_manifest
from selfalign.storage.open import open_store
from selfalign.storage.rows import Row, RowStatus, prompt_id
from selfalign.storage.tables import create_part, part_name

COMMANDS = ["run", "status", "verify", "show", "export", "chat", "serve", "worker", "constitution",
            "wording"]  # fmt: skip


def test_every_file_with_commands_is_in_the_tree() -> None:
    modules = [
        importlib.import_module(f"{cli.__name__}.{module.name}")
        for module in pkgutil.iter_modules(cli.__path__)
        if module.name != "__main__"
    ]
    found: set[str] = set()
    for module in modules:
        if hasattr(module, "register"):
            alone = typer.Typer()
            module.register(alone)
            found |= names(alone)
    assert found == names(build_app())
    assert set(COMMANDS) <= found


def names(app: typer.Typer) -> set[str]:
    """The commands and groups of a tree, without those below them."""
    commands = {str(command.name) for command in app.registered_commands}
    return commands | {str(group.name) for group in app.registered_groups}


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A store with a run `one` of which `prompts` and `align` are done."""
    path = tmp_path / "store"
    opened = open_store(str(path))
    opened.put("one/run.yaml", f"name: one\nstore: {path}\nmodel: {{base: m}}\n".encode())
    texts = ["Explain tides.", "Name a tree."]
    rows = [
        Row(
            row_id=prompt_id(text),
            prompt_id=prompt_id(text),
            status=status,
            instruction=text,
            answer=f"About {text}",
            reason="" if status == RowStatus.ACCEPTED else "too_short",
            evidence="" if status == RowStatus.ACCEPTED else "12 characters",
        )
        for text, status in zip(texts, (RowStatus.ACCEPTED, RowStatus.REJECTED), strict=True)
    ]
    for stage in ("prompts", "align"):
        part = create_part(opened, f"one/{stage}/{part_name(0)}", rows)
        manifest = Manifest(
            stage=stage,
            parts=(part,),
            inputs=2,
            accepted=1,
            rejected=1,
            reasons={"too_short": 1},
        )
        write_manifest(opened, f"one/{stage}", manifest)
    return str(path)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert "Usage: selfalign " + command in capsys.readouterr().out


@pytest.mark.parametrize("service", [*SERVICES, "model-server"])
def test_every_service_has_its_own_help(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", service, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: selfalign serve {service}" in shown
    assert ("--slots" in shown) is (service == "model-server")
    assert ("--drain-grace" in shown) is (service != "model-server")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["rnu"], 2, "No such command 'rnu'"),
        (["run"], 2, "Missing option '--file'"),
        (["run", "-f", "none.yaml"], 64, "none.yaml: cannot be read"),
        (["run", "-f", "none.yaml", "--until", "lunch"], 64, "'lunch' is no stage"),
        (["serve", "lunch"], 64, "'lunch' is no service"),
        (["serve", "refiner"], 64, "--config is missing"),
        (["serve", "refiner", "--port", "70000"], 64, "--port 70000: Input should be less"),
        (["serve", "refiner", "--drain-grace", "-1"], 64, "--drain-grace -1: Input should be"),
        (["serve", "refiner", "--slots", "3"], 2, "No such option: --slots"),
        (["serve", "refiner", "--config", "{run}", "--engine-url", "e"], 64, "--engine-url: url:"),
        (["serve", "model-server", "--model", "m", "--slots", "0"], 64, "--slots 0: Input should"),
        (["serve", "model-server", "--model", "{run}-"], 66, "no such folder"),
        (
            ["serve", "refiner", "--config", "{run}", "--engine-url", "http://e", "--tls-cert=c"],
            64,
            "tls_cert and tls_key belong together",
        ),
        (
            ["worker", "--config", "{run}", "--stage", "topics", "--target", "t", "--tls-cert=c"],
            64,
            "tls_cert and tls_key need tls_ca",
        ),
        (
            ["worker", "--config", "c", "--stage", "align", "--target", "t", "--index", "2"],
            64,
            "index 2 is not below count 1",
        ),
        (
            ["worker", "--config", "c", "--stage", "engrave", "--target", "t"],
            64,
            "'engrave' is no stage with workers; expected one of topics",
        ),
        (["status", "--run", "two", "--store", "{store}"], 64, "run 'two' is not in"),
        (["status", "--run", "one", "--namespace", "n"], 64, "go with --kubernetes"),
        (["status", "--run", "one", "--kubernetes", "--context", "no-such"], 64, "no cluster to"),
        (["show", "ffff", "--run", "one", "--store", "{store}"], 65, "starts with 'ffff'"),
        (["export", "--run", "one", "--store", "{store}", "-o", "x"], 65, "refine of run one"),
        (["chat", "--run", "one", "--store", "{store}", "--models", "big"], 64, "--models: big"),
    ],
)
def test_mistakes_are_named(
    arguments: list[str], code: int, message: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"store": store, "run": f"{store}/one/run.yaml"}
    assert run([argument.format(**places) for argument in arguments]) == code
    error = capsys.readouterr().err
    assert message in " ".join(error.split())
    assert "Traceback" not in error


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--debug", "run", "-f", "none.yaml"]) == 64
    assert "Traceback" in capsys.readouterr().err


def test_status_shows_the_funnel(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--run", "one", "--store", store]) == 0
    assert "too_short 1" in capsys.readouterr().out
    assert run(["status", "--run", "one", "--store", store, "--json"]) == 0
    dumped = json.loads(capsys.readouterr().out)
    assert dumped["align"]["accepted"] == 1
    assert dumped["distill"] is None


def test_show_tells_a_rows_story_with_reason_and_evidence(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", prompt_id("Name a tree.")[:6], "--run", "one", "--store", store]) == 0
    shown = capsys.readouterr().out
    assert "── prompts: rejected (too_short)" in shown
    assert "── align: rejected (too_short)" in shown
    assert "12 characters" in shown
    assert "tides" not in shown


def test_export_writes_accepted_rows_only(store: str, tmp_path: Path) -> None:
    output = tmp_path / "set.jsonl"
    arguments = ["export", "--run", "one", "--store", store, "--stage", "align", "-o", str(output)]
    assert run(arguments) == 0
    (line,) = output.read_text().splitlines()
    assert json.loads(line) == {
        "prompt_id": prompt_id("Explain tides."),
        "instruction": "Explain tides.",
        "input": "",
        "output": "About Explain tides.",
    }


def test_export_into_a_device_or_nowhere(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As root, a rename would put a file in a device's place."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.extend(pipe.read_text().splitlines()))
    reader.start()
    command = ["export", "--run", "one", "--store", store, "--stage", "align", "-o"]
    assert run([*command, str(pipe)]) == 0
    reader.join(10)
    assert len(read) == 1
    assert pipe.is_fifo()
    missing = tmp_path / "none" / "out.jsonl"
    assert run([*command, str(missing)]) == 64
    assert f"--output: {missing} cannot be written: No such file" in capsys.readouterr().err


def test_verify_fails_with_its_exit_code(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "--run", "one", "--store", store]) == 76
    captured = capsys.readouterr()
    assert "FAULT" in captured.out
    assert "checks failed" in captured.err


def test_overrides_are_yaml_values() -> None:
    assert parse_overrides(["a.b=4", "c=[1, x]", "d="]) == {"a.b": 4, "c": [1, "x"], "d": None}
    with pytest.raises(ConfigError, match="expected key=value"):
        parse_overrides(["novalue"])


def test_stage_cells_add_up_workers_and_estimate_time_left() -> None:
    progress = StageProgress()
    progress.take(StageStarted(stage="align"))
    for worker, accepted in ((0, 5), (1, 3), (0, 6)):
        progress.take(Rows(worker=worker, total=10, accepted=accepted, tokens=50))
    cells = stage_cells(progress)
    assert cells[:2] == ("running", "9")
    assert cells[-1].startswith("~")
    progress.take(StageDone(stage="align", seconds=4.0, accepted=20))
    assert stage_cells(progress)[0] == "done"
    assert stage_cells(progress)[-1] == ""
