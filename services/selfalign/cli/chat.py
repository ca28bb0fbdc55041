"""`selfalign chat`: base, engraved and final model side by side."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from selfalign.cli.inspect import RunOption, StoreOption
from selfalign.constitution.render import render_student_prompt, student_stops
from selfalign.constitution.schema import Constitution
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError
from selfalign.inference.build import build_engine
from selfalign.inference.engine import Engine
from selfalign.inference.settings import EngineSettings
from selfalign.pipeline.executors.base import EngineRole
from selfalign.pipeline.executors.local import LocalExecutor
from selfalign.pipeline.run import Run, open_run
from selfalign.pipeline.stages.evaluate import TRAINED_BY
from selfalign.pipeline.stages.training import merged_weights
from selfalign.roles import ROLES
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
    models: Annotated[str, typer.Option(help="Which of base, engraved, final.")] = (
        "base,engraved,final"
    ),
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 200,
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0)] = 0.0,
) -> None:
    """Asks the models of a run the same questions, each in the chat layout it was trained on."""
    opened = open_run(open_store(store), run)
    asked = models.split(",")
    unknown = sorted(set(asked) - set(ROLES))
    if unknown:
        raise ConfigError(f"--models: {', '.join(unknown)}; expected {', '.join(ROLES)}")
    roles = [role for role in ROLES if role in asked]
    constitution = load_constitution(opened.config.constitution)
    params = SamplingParams(
        max_new_tokens=max_new_tokens, temperature=temperature, stop=student_stops(constitution)
    )
    executor = LocalExecutor(opened)
    try:
        engines = {role: serve_role(executor, opened, role) for role in roles}
        asyncio.run(_chat(engines, constitution, params, prompt))
    finally:
        executor.close()


def serve_role(executor: LocalExecutor, run: Run, role: EngineRole) -> EngineSettings:
    """Starts the engine of a role."""
    stage = TRAINED_BY.get(role)
    weights = run.config.model.base if stage is None else merged_weights(run, stage)
    return executor.serve(role, weights)


async def _chat(
    engines: dict[EngineRole, EngineSettings],
    constitution: Constitution,
    params: SamplingParams,
    prompts: list[str] | None,
) -> None:
    clients: dict[EngineRole, Engine] = {
        role: build_engine(settings, Metrics()) for role, settings in engines.items()
    }
    try:
        for text in prompts or _typed():
            print(f"\n> {text}")
            rendered = render_student_prompt(constitution, text, "")
            for role, client in clients.items():
                completion = await client.generate(rendered, params, seed=1, deadline_s=DEADLINE_S)
                print(f"\n[{role}] {completion.text.strip()}")
    finally:
        for client in clients.values():
            await client.close()


def _typed() -> Iterator[str]:
    if sys.stdin.isatty():
        print("Type a prompt; an empty line or ctrl-D ends.")
    for line in sys.stdin:
        if not line.strip():
            return
        yield line.strip()
