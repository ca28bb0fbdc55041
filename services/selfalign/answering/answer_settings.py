"""What align, refine and evaluate share in their settings: calls an answer, sampling it."""

from typing import Literal, Self

from pydantic import model_validator

from selfalign.settings.sampling import SamplingParams

Calls = Literal["one", "two"]
"""How a model is asked under the constitution: `one` call for thoughts and answer together
(paper), or `two`: the thoughts first, then the answer below its header, which is given."""
AlignCalls = Literal["one", "two", "chat", "auto"]
"""Beside them `chat`: the question alone, in the base model's own template; and `auto`: `chat`
where the run has a template, else `two`."""


class AnswerSampling(SamplingParams):
    """How answers are sampled: where they stop follows from the constitution."""

    @model_validator(mode="after")
    def _stops_come_from_the_constitution(self) -> Self:
        if self.stop:
            raise ValueError(
                f"stop: {list(self.stop)} is set, but the constitution's turns decide where an "
                "answer stops; remove it"
            )
        return self
