"""`selfalign chat`: base, engraved and final model side by side."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Annotated

import typer

from selfalign.cli.inspect import RunOption, StoreOption
from selfalign.cli.terminal import printable
from selfalign.errors import ConfigError
from selfalign.events import Event, Note
from selfalign.inference.client.build import build_engine
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.streams.text import stream_text
from selfalign.pipeline.executors.contract.executor import Executor
from selfalign.pipeline.executors.register import EXECUTORS, make_executor
from selfalign.pipeline.run.config import ExecutorKind
from selfalign.pipeline.run.layout import run_layout
from selfalign.pipeline.run.run import Run, open_run
from selfalign.pipeline.stages.models import model_weights, models_made
from selfalign.pipeline.stages.register import STAGES
from selfalign.roles import MODEL_ROLES, ModelRole
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.open import open_store
from selfalign.telemetry.metrics import Metrics

DEADLINE_S = 300.0


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("chat")(chat_command)


def chat_command(
    run: RunOption,
    prompt: Annotated[
        list[str] | None, typer.Argument(help="Prompts; read line by line without any.")
    ] = None,
    store: StoreOption = "runs",
    models: Annotated[
        str | None,
        typer.Option(
            help=f"Which of {', '.join(MODEL_ROLES)}, with commas between; all that are made."
        ),
    ] = None,
    executor: Annotated[
        str | None, typer.Option(help=f"{' or '.join(EXECUTORS)}; the run's own by default.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 200,
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0)] = 0.0,
) -> None:
    """Asks the models of a run the same questions, each in the chat layout it was trained on.

    On Kubernetes the models take turns on the release's engines: give the prompts as arguments, or
    name a single model.
    """
    opened = open_run(open_store(store), run)
    roles = parse_roles(models, models_made(STAGES, opened))
    params = SamplingParams(
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        stop=run_layout(opened.config).stops,
    )
    place = make_executor(opened, _show, parse_kind(executor))
    chat = Chat(opened, place, params)
    try:
        if place.side_by_side or len(roles) == 1:
            chat.side_by_side(roles, prompt or _typed())
        elif prompt:
            chat.in_turns(roles, prompt)
        else:
            raise ConfigError(
                f"--models: {','.join(roles)} cannot be served at once there; give the prompts as "
                "arguments, or name one model"
            )
    finally:
        place.close()


def parse_roles(text: str | None, made: Sequence[ModelRole]) -> list[ModelRole]:
    """The models that the user names, in the order of the run; all that are made by default.

    Raises:
        ConfigError: a name is no model's, or that of a model which is not trained yet.
    """
    if text is None:
        return list(made)
    asked = text.split(",")
    unknown = sorted(set(asked) - set(MODEL_ROLES))
    if unknown:
        raise ConfigError(f"--models: {', '.join(unknown)}; expected {', '.join(MODEL_ROLES)}")
    missing = [role for role in MODEL_ROLES if role in asked and role not in made]
    if missing:
        raise ConfigError(
            f"--models: {', '.join(missing)}: not trained yet in this run, which has "
            f"{', '.join(made)}; go on with selfalign run"
        )
    return [role for role in MODEL_ROLES if role in asked]


def parse_kind(text: str | None) -> ExecutorKind | None:
    """The executor that the user names. Raises ConfigError."""
    if text is None:
        return None
    for kind in EXECUTORS:
        if kind == text:
            return kind
    raise ConfigError(f"--executor: {text!r}; expected one of {', '.join(EXECUTORS)}")


class Chat:
    """Questions to the models of one run."""

    def __init__(self, run: Run, executor: Executor, params: SamplingParams) -> None:
        self._run, self._executor, self._params = run, executor, params
        self._layout = run_layout(run.config)

    def side_by_side(self, roles: Sequence[ModelRole], prompts: Iterable[str]) -> None:
        """Serves all models at once, and asks each prompt of all of them."""
        engines = {role: self._serve(role) for role in roles}
        for text in prompts:
            print(f"\n> {text}")
            for role, settings in engines.items():
                print(f"\n[{role}] ", end="", flush=True)
                self._ask(settings, text, _print_piece)
                print()

    def in_turns(self, roles: Sequence[ModelRole], prompts: Sequence[str]) -> None:
        """Serves one model after another; shows the answers when all are there."""
        answers: dict[ModelRole, list[str]] = {}
        for role in roles:
            settings = self._serve(role)
            answers[role] = [self._ask(settings, text, lambda piece: None) for text in prompts]
            self._executor.release(role)
        self._executor.finish()
        for number, text in enumerate(prompts):
            print(f"\n> {text}")
            for role in roles:
                print(f"\n[{role}] {printable(answers[role][number])}")

    def _serve(self, role: ModelRole) -> EngineSettings:
        return self._executor.serve(role, model_weights(STAGES, self._run, role))

    def _ask(self, settings: EngineSettings, text: str, show: Callable[[str], None]) -> str:
        """The answer in the student's layout, shown as it is written."""
        prompt = self._layout.student_prompt(text)
        return asyncio.run(_ask(settings, prompt, self._params, show))


async def _ask(
    settings: EngineSettings, prompt: str, params: SamplingParams, show: Callable[[str], None]
) -> str:
    engine = build_engine(settings, Metrics())
    shown = []
    try:
        stream = stream_text(settings, engine, prompt, params, seed=1, deadline_s=DEADLINE_S)
        async with aclosing(stream) as pieces, aclosing(trimmed(pieces)) as trimmed_pieces:
            async for piece in trimmed_pieces:
                shown.append(piece)
                show(piece)
    finally:
        await engine.close()
    return "".join(shown)


async def trimmed(pieces: AsyncIterable[str]) -> AsyncGenerator[str, None]:
    """The pieces of a text without the white space around the whole."""
    started, held = False, ""
    async for piece in pieces:
        text = held + piece if started else piece.lstrip()
        kept = text.rstrip()
        held = text[len(kept) :]
        if kept:
            started = True
            yield kept


def _typed() -> Iterator[str]:
    if sys.stdin.isatty():
        print("Type a prompt; an empty line or ctrl-D ends.")
    for line in sys.stdin:
        if not line.strip():
            return
        yield line.strip()


def _print_piece(piece: str) -> None:
    print(printable(piece), end="", flush=True)


def _show(event: Event) -> None:
    """What the executor has to say."""
    if isinstance(event, Note):
        print(f"{event.stage}: {event.text}", file=sys.stderr)
