"""Settings of the evaluation. The defaults fit a large model behind a real engine."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from selfalign.answering.answer_settings import AnswerSampling, Calls
from selfalign.settings.sampling import NewTokens, Temperature, TopP
from selfalign.settings.section import Count, PositiveInt, Seconds, Section, Seed


class HeldOutSampling(AnswerSampling):
    """The paper's chat settings, for the answers to held-out prompts."""

    max_new_tokens: NewTokens = 300
    temperature: Temperature = 0.1
    top_p: TopP = 0.75


class EvaluationSettings(Section):
    """Stage `evaluate`."""

    held_out: Count = 250
    """Prompts kept out of training, which all arms answer. With 250 a share is known to within
    about 6 percentage points; a difference of about 10 shows."""
    neighbours: Count = 5
    """Other questions of which an answer's own must be the likelier one, for it to be on task; 0
    leaves that out."""
    on_task_chars: PositiveInt = 600
    """Characters of an answer that are scored for it."""
    sampling: HeldOutSampling = HeldOutSampling()
    calls: Calls = "one"
    """Calls for one answer of the base model under the constitution, as in stage 2."""
    thoughts_tokens: PositiveInt = 96
    """Length limit of the thoughts, with two calls."""
    hhh_file: Path | None = None
    """HHH comparisons (JSON lines: category, instruction, chosen, rejected). Without a file, a few
    built-in items stand in: too few to compare models."""
    truthfulqa_file: Path | None = None
    """TruthfulQA.csv as published (Question, Best Answer, Incorrect Answers, Category)."""
    hhh_limit: Count | None = None
    """Number of HHH items to use, drawn by hash; all without a value, 0 skips the benchmark."""
    truthfulqa_limit: Count | None = None
    """The same for TruthfulQA."""
    probes_file: Path | None = None
    """Probes of your own constitution (YAML or JSON lines: id, kind, prompt, scorer, expected; see
    docs/operating/probes.md), in place of the built-in ones."""
    probes_per_kind: Count | None = None
    """Number of probes of each kind, drawn by hash; all without a value, 0 asks none."""
    probe_rows: Count = 64
    """Aligned rows whose claimed rules are probed, one request for each row and rule."""
    logprob_floor: Annotated[float, Field(lt=0.0, ge=-1000.0)] = -15.0
    """Lowest log-probability: stands for candidates that the engine does not report, and bounds
    those it reports, so that an unreported one never beats a reported one."""
    bootstrap_samples: Annotated[int, Field(ge=100, le=100_000)] = 2000
    """Resamples of each bootstrap interval."""
    confidence: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.95
    """Of all intervals."""
    seed: Seed = 0
    """Seeds sampling, bootstrap and the choice of probed rows."""
    max_in_flight: PositiveInt = 64
    """Requests to the engine at once."""
    deadline_s: Seconds = 600.0
    """For one request, waiting for room included."""
    report_samples: Count = 6
    """Held-out prompts whose answers the report shows side by side."""
