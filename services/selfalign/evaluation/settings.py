"""Settings of the evaluation. The defaults fit a large model behind a real engine."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from selfalign.settings.sampling import SamplingParams
from selfalign.settings.section import Count, Section


class EvaluationSettings(Section):
    """Stage `evaluate`."""

    held_out: Count = 100
    """Prompts kept out of training, which all arms answer."""
    sampling: SamplingParams = SamplingParams(max_new_tokens=300, temperature=0.1, top_p=0.75)
    """For the held-out answers (the paper's chat settings); stops come from the constitution."""
    constitution_calls: Literal["one", "two"] = "one"
    """How the base model answers under the constitution: thoughts and answer in one completion
    (paper), or the thoughts first and then the answer under its given header."""
    thoughts_tokens: Annotated[int, Field(ge=1)] = 96
    """Length limit of the thoughts where they are a call of their own."""
    hhh_file: Path | None = None
    """HHH comparisons (JSON lines: category, instruction, chosen, rejected). Without a file a few
    items of our own stand in, too few to compare models by."""
    truthfulqa_file: Path | None = None
    """TruthfulQA.csv as published (Question, Best Answer, Incorrect Answers, Category)."""
    hhh_limit: Count | None = None
    """Use that many items, drawn by hash; None uses all, 0 skips the benchmark."""
    truthfulqa_limit: Count | None = None
    probe_rows: Count = 64
    """Aligned rows whose claimed rules are probed, one request for each row and rule."""
    logprob_floor: Annotated[float, Field(lt=0.0, ge=-1000.0)] = -15.0
    """Least log-probability: stands for candidates that the engine does not report, and bounds
    those it reports, so that an unreported one never beats a reported one."""
    bootstrap_samples: Annotated[int, Field(ge=100, le=100_000)] = 2000
    confidence: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.95
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seeds sampling, bootstrap and the choice of probed rows."""
    max_in_flight: Annotated[int, Field(ge=1)] = 64
    deadline_s: Annotated[float, Field(gt=0.0)] = 600.0
    """For one request, waiting for room included."""
    report_samples: Count = 6
    """Held-out prompts whose answers the report shows side by side."""

    @model_validator(mode="after")
    def _stops_come_from_the_constitution(self) -> Self:
        if self.sampling.stop:
            raise ValueError(
                f"sampling.stop: {list(self.sampling.stop)} is set, but the constitution's turns "
                "decide where an answer stops; remove it"
            )
        return self
