"""A tiny model on disk, and engines over it whose events a test can wait for."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from selfalign.model_server.batching.active_request import ActiveRequest, Prompt
from selfalign.model_server.batching.engine_thread import EngineThread
from selfalign.model_server.batching.scheduler import SchedulerLimits
from selfalign.model_server.batching.token_events import Event, FailureEvent, TokenEvent
from selfalign.model_server.batching.tokenizer import TextTokenizer
from selfalign.model_server.transformer.causal_lm import CausalLM
from support.tiny_llama import save_tiny_llama


@dataclass
class Answer:
    """Collects one request's events."""

    events: list[TokenEvent] = field(default_factory=list)
    failure: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    first: threading.Event = field(default_factory=threading.Event)
    request: ActiveRequest | None = None

    def deliver(self, event: Event) -> None:
        if isinstance(event, FailureEvent):
            self.failure = event.message
            self.ended.set()
            return
        assert isinstance(event, TokenEvent)
        self.events.append(event)
        self.first.set()
        if event.finish_reason is not None:
            self.ended.set()

    def wait(self) -> "Answer":
        assert self.ended.wait(60), "the engine did not answer"
        return self

    @property
    def tokens(self) -> list[int]:
        return [event.token.id for event in self.events]

    @property
    def text(self) -> str:
        return "".join(event.token.text for event in self.events)


@dataclass
class EngineUnderTest:
    engine: EngineThread
    tokenizer: TextTokenizer

    def submit(self, prompt: Prompt) -> Answer:
        answer = Answer()
        answer.request = self.engine.submit(prompt, answer.deliver)
        return answer


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("tiny")
    return folder, save_tiny_llama(folder)


MakeEngine = Callable[..., EngineUnderTest]


@pytest.fixture
def make_engine(tiny: tuple[Path, Any]) -> Iterator[MakeEngine]:
    engines = []

    def make(folder: Path | None = None, **limits: int) -> EngineUnderTest:
        place = folder or tiny[0]
        tokenizer = TextTokenizer(place)
        engine = EngineThread(CausalLM(place, "fp32"), tokenizer, SchedulerLimits(**limits))
        engine.start()
        engines.append(engine)
        return EngineUnderTest(engine, tokenizer)

    yield make
    for engine in engines:
        engine.close()
