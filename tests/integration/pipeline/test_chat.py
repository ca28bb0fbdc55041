"""`selfalign chat` with real engines: all models at once, or one after another."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from selfalign.cli import chat as module
from selfalign.cli.chat import Chat, parse_roles, trimmed
from selfalign.errors import ConfigError
from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.contract.engine import Engine
from selfalign.pipeline.executors.local.executor import LocalExecutor
from selfalign.pipeline.run.run import Run, create_or_resume
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.pipeline.stages.models import model_weights
from selfalign.pipeline.stages.register import STAGES, TRAININGS
from selfalign.roles import ModelRole
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.manifest import Manifest, write_manifest
from selfalign.storage.open import open_store
from selfalign.telemetry.metrics import Metrics
from selfalign.weights.source import Weights
from support.tiny_llama import save_tiny_llama

PARAMS = SamplingParams(max_new_tokens=4)
ASKED: tuple[ModelRole, ...] = ("base", "final")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose base and tuned models are three different random ones."""
    save_tiny_llama(tmp_path / "base", max_position_embeddings=8192)
    for number, stage in enumerate(TRAININGS):
        folder = tmp_path / "runs" / "one" / stage.name / "merged"
        save_tiny_llama(folder, max_position_embeddings=8192, intermediate_size=64 - 16 * number)
    config = parse_run_config(
        f"name: one\nstore: {tmp_path}/runs\nmodel: {{base: {tmp_path}/base}}\nprofile: small\n"
        f"executor: {{work_dir: {tmp_path}/work, model_server: {{dtype: fp32, threads: 1}}}}\n",
        "test",
    )
    made, _ = create_or_resume(open_store(config.store), config)
    for stage in TRAININGS:
        write_manifest(made.store, made.prefix(stage.name), Manifest(stage=stage.name))
    return made


@pytest.fixture
def executor(run: Run) -> Iterator[LocalExecutor]:
    executor = LocalExecutor(run)
    yield executor
    executor.close()


class OneAtATime(LocalExecutor):
    """Refuses a second engine beside the first, as a node's GPUs would."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.served: list[ModelRole] = []
        self.finished = False

    def serve(self, role: ModelRole, weights: Weights) -> EngineSettings:
        assert not self._engines
        self.served.append(role)
        return super().serve(role, weights)

    def finish(self) -> None:
        self.finished = True


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([" ", " a", " ", "b", " \n"], ["a", " b"]),
        ([], []),
        (["  "], []),
        (["a\n", "\n", "b"], ["a", "\n\nb"]),
    ],
)
async def test_white_space_around_a_streamed_answer(pieces: list[str], expected: list[str]) -> None:
    async def stream() -> AsyncGenerator[str, None]:
        for piece in pieces:
            yield piece

    assert [piece async for piece in trimmed(stream())] == expected


@pytest.mark.parametrize(
    ("text", "made", "expected"),
    [
        (None, ("base", "engraved"), ["base", "engraved"]),
        ("engraved,base", ("base", "engraved", "final"), ["base", "engraved"]),
        ("final", ("base", "engraved"), "--models: final: not trained yet in this run"),
        ("base,tuned", ("base",), "--models: tuned; expected base, engraved, final"),
    ],
)
def test_which_models_are_asked(
    text: str | None, made: tuple[ModelRole, ...], expected: list[str] | str
) -> None:
    if isinstance(expected, list):
        assert parse_roles(text, made) == expected
    else:
        with pytest.raises(ConfigError, match=expected):
            parse_roles(text, made)


@pytest.mark.slow
def test_models_have_names_and_no_folder_of_this_machine(executor: LocalExecutor, run: Run) -> None:
    names = {}
    for role in ASKED:
        settings = executor.serve(role, model_weights(STAGES, run, role))
        engine = build_engine(settings, Metrics())

        async def ask(engine: Engine = engine) -> str:
            try:
                return (await engine.info()).model_id
            finally:
                await engine.close()

        names[role] = asyncio.run(ask())
    assert names == {"base": "base", "final": "one/final"}


@pytest.mark.slow
def test_models_in_turns_say_what_they_say_side_by_side(
    run: Run, executor: LocalExecutor, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = ["What is a kite?", "Name a bird."]
    Chat(run, executor, PARAMS).side_by_side(ASKED, prompts)
    at_once = capsys.readouterr().out
    turns = OneAtATime(run)
    try:
        Chat(run, turns, PARAMS).in_turns(ASKED, prompts)
    finally:
        turns.close()
    assert capsys.readouterr().out == at_once
    assert turns.served == list(ASKED)
    assert turns.finished
    for prompt in prompts:
        assert f"> {prompt}\n" in at_once
    answers = [line.split("]", 1)[1] for line in at_once.splitlines() if line.startswith("[")]
    assert len(answers) == 4
    assert len(set(answers[:2])) == 2, "each model has weights of its own"


def test_models_that_take_turns_need_their_prompts_first(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = OneAtATime(run)
    monkeypatch.setattr(module, "make_executor", lambda *arguments: turns)
    monkeypatch.setattr(OneAtATime, "side_by_side", False)
    with pytest.raises(ConfigError, match=r"--models: .* cannot be served at once"):
        module.chat_command(run="one", store=run.store.url)
    assert turns.served == []
