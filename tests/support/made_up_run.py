"""A run that never happened, small but complete: for tests of the evaluation and its report."""

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from selfalign.answering.answer_filter import AnswerFilter
from selfalign.constitution.render import render_prefix
from selfalign.constitution.yaml_file import load_constitution
from selfalign.evaluation.arms import evaluate
from selfalign.evaluation.benchmark_files import load_benchmarks
from selfalign.evaluation.evaluate_settings import EvaluationSettings
from selfalign.evaluation.evaluation_inputs import EvaluationInputs
from selfalign.evaluation.figures import EvaluationResults
from selfalign.evaluation.report.run_stages import ReportStages
from selfalign.evaluation.report.run_view import LossCurve, RunView, view_table
from selfalign.filters.form_settings import FormFilterSettings
from selfalign.inference.contract.engine import Completion, ContinuationScore
from selfalign.layout.chat_template import ChatTemplate
from selfalign.layout.headers import HeadersLayout
from selfalign.layout.template import TemplateLayout
from selfalign.roles import MODEL_ROLES
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.manifest import Manifest
from selfalign.storage.rows import PromptItem, Row, RowStatus, prompt_id
from selfalign.storage.tables import to_table
from support.scripted_engine import ScriptedEngine

TYPES = ("explaining a concept", "comparing two things", "planning ahead", "safety at home", "")
REASONS = ("leaks_exemplar", "truncated", "too_short", "no_answer", "no_opening")
STAGES = ReportStages(
    names=("topics", "prompts", "align", "engrave", "refine", "distill", "evaluate"),
    tables=("topics", "prompts", "align", "refine"),
    trainings=("engrave", "distill"),
    aligned="align",
    refined="refine",
    evaluation="evaluate",
)
OWN_TEMPLATE = ChatTemplate(
    text=(
        "{% for message in messages %}<{{ message.role }}>{{ message.content }}</>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    ),
    special_tokens={"eos_token": "</>"},
    end_tokens=("</>",),
    adds_bos=False,
)
QUESTIONS = (
    "How can I keep basil alive on a windowsill through the winter?",
    "Compare renting and buying a bicycle for a stay of three months.",
    "Who won the cup final that was played yesterday evening?",
    "Write two sentences that thank a neighbour for watering the plants.",
)


@dataclass
class HashEngine(ScriptedEngine):
    """Next-token log-probabilities from a hash of prompt and candidate: stable but random."""

    salt: str = ""
    missing: float = 0.0
    """Share of candidates that are not reported."""

    async def next_token_logprobs(
        self, prompt: str, candidates: Sequence[str], *, deadline_s: float
    ) -> list[float | None]:
        return [self.logprob(prompt, candidate) for candidate in candidates]

    async def score(
        self, prompt: str, continuations: Sequence[str], *, deadline_s: float
    ) -> list[ContinuationScore]:
        found = [self.logprob(prompt, text) or -9.0 for text in continuations]
        counts = [len(text.split()) for text in continuations]
        return [
            ContinuationScore(score * count, count)
            for score, count in zip(found, counts, strict=True)
        ]

    def logprob(self, prompt: str, candidate: str) -> float | None:
        """What the engine says of one candidate."""
        digest = hashlib.sha256(f"{self.salt}|{prompt}|{candidate}".encode()).digest()
        if digest[0] < 256 * self.missing:
            return None
        return math.log((digest[1] + 1) / 300)


def inputs(rows: int = 60, **settings: Any) -> EvaluationInputs:
    """Inputs over the built-in constitution and items."""
    chosen = EvaluationSettings(**{"bootstrap_samples": 200, "probe_rows": 10, **settings})
    constitution = load_constitution()
    return EvaluationInputs(
        constitution=constitution,
        settings=chosen,
        held_out=tuple(PromptItem(prompt_id(text), text) for text in QUESTIONS),
        aligned=tuple(row for row in align_rows(rows) if row.status is RowStatus.ACCEPTED),
        benchmarks=load_benchmarks(chosen),
        filters=AnswerFilter(constitution, FormFilterSettings()),
        layout=HeadersLayout(constitution),
        own=TemplateLayout(constitution, OWN_TEMPLATE),
    )


def thoughts(rules: Sequence[int]) -> str:
    """Thoughts that cite the rules by number and name, and one under another name."""
    c = load_constitution()
    names = {principle.id: principle.name for principle in c.principles}
    cited = ", ".join(f"{rule} ({names[rule]})" for rule in rules)
    return f"{c.wording.rules_lead} {cited}, 1 (something else)."


def align_rows(count: int) -> list[Row]:
    """Rows of stage 2, two thirds of them accepted."""
    rng = random.Random(7)
    ids = [principle.id for principle in load_constitution().principles]
    rows = []
    for number in range(count):
        text = f"Question number {number} about {rng.choice(('boats', 'bread', 'stars'))}?"
        rules = tuple(sorted(rng.sample(ids, rng.randint(1, 4))))
        row = Row(
            row_id=prompt_id(text),
            prompt_id=prompt_id(text),
            status=RowStatus.ACCEPTED,
            question_type=TYPES[number % len(TYPES)],
            instruction=text,
            rules=rules,
            thoughts=thoughts(rules),
            answer="word " * int(rng.lognormvariate(4, 0.6)),
        )
        if number % 3 == 2:
            row = row.rejected(rng.choice(REASONS), f"found in row {number}")
        rows.append(row)
    return rows


def answer(prompt: str, params: SamplingParams, seed: int | None) -> str | Completion:
    """Something that depends on the layout and on nothing else."""
    c = load_constitution()
    if prompt.startswith(render_prefix(c)):
        thoughts = f" {c.wording.opening} Let me see. {c.wording.rules_lead} 2 (helpful)."
        text = f"{thoughts}\n\n{c.wording.answer_header} Put it where it gets light."
        return Completion(text, "stop_sequence", 900, 40, 1.0)
    rng = random.Random(hashlib.sha256(f"{prompt}|{seed}".encode()).digest())
    lines = ["Basil wants light and warmth.", "", "- Water it from below.", "- Turn it every week."]
    text = "\n".join(lines + ["Pick the tips often, so that it branches."] * rng.randint(0, 9))
    return Completion(text, "length" if (seed or 0) % 2 else "stop_sequence", 200, 20, 1.0)


async def results(rows: int = 60, **settings: Any) -> EvaluationResults:
    """An evaluation of three engines that guess."""
    engines = {role: HashEngine(answer, salt=role, missing=0.05) for role in MODEL_ROLES}
    return await evaluate(inputs(rows, **settings), engines)


def table_manifest(stage: str, inputs: int, accepted: int, failed: int = 0) -> Manifest:
    """A stage with rows, rejected for made-up reasons."""
    rejected = inputs - accepted - failed
    reasons = {name: rejected // (4 + n) for n, name in enumerate(REASONS[1:])}
    reasons[REASONS[0]] = rejected - sum(reasons.values())
    if failed:
        reasons["EngineTimeout"] = failed
    counts: dict[str, Any] = {
        "inputs": inputs,
        "accepted": accepted,
        "rejected": rejected,
        "failed": failed,
    }
    kept = {name: count for name, count in reasons.items() if count > 0}
    return Manifest(stage=stage, reasons=kept, fingerprint={"model": "m-135"}, **counts)


def view(found: EvaluationResults | None, rows: int = 600) -> RunView:
    """The run as the report sees it."""
    rng = random.Random(3)
    losses = [
        LossCurve(
            stage,
            tuple(
                (step, 1.1 * math.exp(-step / 60) + floor + rng.gauss(0, 0.03)) for step in steps
            ),
        )
        for stage, steps, floor in (
            ("engrave", range(1, 120), 0.9),
            ("distill", range(1, 160), 0.7),
        )
    ]
    facts = {"base_model": "m-135", "rows": 400, "steps": 119, "loss_first": 2.04, "loss_last": 1.0}
    return RunView(
        name="made-up",
        config="name: made-up\nseed: 7\n",
        stages=STAGES,
        manifests=[
            table_manifest("topics", 320, 210),
            table_manifest("prompts", 1800, 620, 12),
            table_manifest("align", 600, 400, 9),
            Manifest(stage="engrave", details=facts, fingerprint={"model": "m-135"}),
            table_manifest("refine", 600, 512),
            Manifest(stage="distill", details=facts, fingerprint={"model": "m-135"}),
        ],
        tables={
            "align": view_table(to_table(align_rows(rows))),
            "refine": view_table(to_table(align_rows(rows // 2))),
        },
        losses=losses,
        results=found,
    )
