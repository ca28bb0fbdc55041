"""The services: the only list of what each is, reads and needs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from selfalign.constitution.render import join_input
from selfalign.constitution.yaml_file import load_constitution
from selfalign.inference.contract.engine import Engine
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.layout import kept_template
from selfalign.principle_engine import service as principle_engine
from selfalign.prompt_synthesizer import service as prompt_synthesizer
from selfalign.prompt_synthesizer.seeds import load_task_seeds
from selfalign.refiner import service as refiner
from selfalign.roles import ServiceName
from selfalign.rpc.server import ServiceRegistration


@dataclass(frozen=True, slots=True)
class Service:
    """One gRPC service."""

    full_name: str
    """As its proto and its health check name it."""
    settings: tuple[str, ...]
    """The sections of the run that it reads: one with other settings makes other rows. The run's
    layout is none of them: a worker's stream names it."""
    register: Callable[[Engine, RunConfig], Awaitable[ServiceRegistration]]
    """Makes it ready over an engine. Raises ConfigError, DataError, PromptTooLong."""


async def _prompt_synthesizer(engine: Engine, config: RunConfig) -> ServiceRegistration:
    return await prompt_synthesizer.registration(
        engine, config.synthesizer, config.task_seeds, config.topic_seeds
    )


async def _principle_engine(engine: Engine, config: RunConfig) -> ServiceRegistration:
    constitution = load_constitution(config.constitution)
    return await principle_engine.registration(
        engine, config.align, constitution, kept_template(config), ordinary_requests(config)
    )


async def _refiner(engine: Engine, config: RunConfig) -> ServiceRegistration:
    constitution = load_constitution(config.constitution)
    template = kept_template(config)
    return await refiner.registration(
        engine, config.refine, constitution, template, ordinary_requests(config)
    )


def ordinary_requests(config: RunConfig) -> list[str]:
    """The task seeds, which no rule declines. Raises DataError, as load_task_seeds."""
    return [join_input(seed.instruction, seed.input) for seed in load_task_seeds(config.task_seeds)]


SERVICES: dict[ServiceName, Service] = {
    "prompt-synthesizer": Service(
        "selfalign.v1.PromptSynthesizerService",
        ("synthesizer", "task_seeds", "topic_seeds", "engine"),
        _prompt_synthesizer,
    ),
    "principle-engine": Service(
        "selfalign.v1.PrincipleEngineService",
        ("align", "constitution", "engine"),
        _principle_engine,
    ),
    "refiner": Service(
        "selfalign.v1.RefinerService", ("refine", "constitution", "engine"), _refiner
    ),
}
