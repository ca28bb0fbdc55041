"""An Engine that answers from a function: for tests of logic, where the text must be known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from selfalign.errors import LogprobsUnsupported
from selfalign.inference.contract.engine import Completion, ContinuationScore, EngineInfo
from selfalign.settings.sampling import SamplingParams


@dataclass
class ScriptedEngine:
    """Calls `script(prompt, params, seed)`; a str becomes a Completion, an exception is raised."""

    script: Callable[[str, SamplingParams, int | None], str | Completion | Exception]
    limits: EngineInfo = field(default_factory=lambda: EngineInfo("scripted", 4000, 8000, 128))
    calls: list[tuple[str, SamplingParams, int | None]] = field(default_factory=list)
    closed: bool = False

    async def generate(
        self, prompt: str, params: SamplingParams, *, seed: int | None, deadline_s: float
    ) -> Completion:
        self.calls.append((prompt, params, seed))
        answer = self.script(prompt, params, seed)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Completion):
            return answer
        return Completion(answer, "eos_token", len(prompt.split()), len(answer.split()), 1.0)

    async def next_token_logprobs(
        self, prompt: str, candidates: Sequence[str], *, deadline_s: float
    ) -> list[float | None]:
        return [-float(len(candidate)) for candidate in candidates]

    async def score(
        self, prompt: str, continuations: Sequence[str], *, deadline_s: float
    ) -> list[ContinuationScore]:
        raise LogprobsUnsupported("a scripted engine has no log-probabilities")

    async def count_tokens(self, text: str) -> int | None:
        return len(text.split())

    async def info(self) -> EngineInfo:
        return self.limits

    async def close(self) -> None:
        self.closed = True
