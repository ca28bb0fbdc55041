"""Asking the base model which rules bear on a prompt; the definitions are in rule_agreement.py."""

from collections.abc import Callable, Sequence

from selfalign.constitution.render import join_input
from selfalign.constitution.schema import Principle
from selfalign.errors import LogprobsUnsupported
from selfalign.evaluation.concurrency import ItemFailure, catch_item_failure, map_bounded
from selfalign.evaluation.evaluation_inputs import EvaluationInputs
from selfalign.evaluation.log_probabilities import LogProbs, ask_logprobs
from selfalign.evaluation.results import RuleProbe
from selfalign.evaluation.rule_agreement import agreeing_rules
from selfalign.inference.contract.engine import ContinuationScore, Engine
from selfalign.storage.rows import Row, content_hash

YES_NO = (" yes", " no")
# The head of a prompt says what it is about; the rest would only cost time.
MAX_PROMPT_CHARS = 1200
Tick = Callable[[int, int], None]


def probed_rows(inputs: EvaluationInputs) -> list[Row]:
    """The sample: rows that claim some rules but not all, drawn by hash of the prompt."""
    c, settings = inputs.constitution, inputs.settings
    rows = [row for row in inputs.aligned if 0 < len(agreeing_rules(c, row)) < len(c.principles)]
    rows.sort(key=lambda row: content_hash("probe", str(settings.seed), row.prompt_id))
    return rows[: settings.probe_rows]


async def probe_rules(
    engine: Engine, inputs: EvaluationInputs, tick: Tick
) -> tuple[RuleProbe, ...]:
    """Every rule's score for every row of the sample.

    Raises:
        EngineUnavailable, EngineUnauthorized: the engine cannot be used.
    """
    rows = probed_rows(inputs)
    if not rows:
        return ()
    try:
        return await _ratios(engine, inputs, rows, tick)
    except LogprobsUnsupported:
        return await _yes_no(engine, inputs, rows, tick)


def ratio_prompt(message: str) -> str:
    """What a rule's text is scored after; with an empty message for what it is compared with."""
    return f"Message: {message[:MAX_PROMPT_CHARS]}\n\nThe rule that matters most for the answer:"


def rule_text(principle: Principle) -> str:
    """The rule as it is scored."""
    return f" {principle.name}. {principle.text}"


async def _ratios(
    engine: Engine, inputs: EvaluationInputs, rows: Sequence[Row], tick: Tick
) -> tuple[RuleProbe, ...]:
    """One request for each row, with all rules as continuations of its prompt."""
    principles, settings = inputs.constitution.principles, inputs.settings
    rules = [rule_text(principle) for principle in principles]

    async def ask(message: str) -> list[ContinuationScore] | ItemFailure:
        call = engine.score(ratio_prompt(message), rules, deadline_s=settings.deadline_s)
        return await catch_item_failure(call)

    messages = ["", *(join_input(row.instruction, row.input) for row in rows)]
    blank, *found = await map_bounded(ask, messages, settings.max_in_flight, tick)
    return tuple(
        _ratio_probe(inputs, row, blank, one) for row, one in zip(rows, found, strict=True)
    )


def _ratio_probe(
    inputs: EvaluationInputs,
    row: Row,
    before: list[ContinuationScore] | ItemFailure,
    after: list[ContinuationScore] | ItemFailure,
) -> RuleProbe:
    """The row's ratios, from the scores of all rules after no message and after the row's."""
    c = inputs.constitution
    probe = RuleProbe(prompt_id=row.prompt_id, claimed=agreeing_rules(c, row))
    if isinstance(before, ItemFailure):
        return probe.model_copy(update={"reason": before.reason, "evidence": before.evidence})
    if isinstance(after, ItemFailure):
        return probe.model_copy(update={"reason": after.reason, "evidence": after.evidence})
    ratios = zip(c.principles, after, before, strict=True)
    return probe.model_copy(update={"scores": {p.id: a.mean - b.mean for p, a, b in ratios}})


def probe_prompt(principle: Principle, row: Row) -> str:
    """The question whether the rule bears on the row's prompt; the next token answers it."""
    message = join_input(row.instruction, row.input)[:MAX_PROMPT_CHARS]
    return (
        "An assistant keeps a rule in mind when it answers messages.\n\n"
        f"Rule: {principle.name}. {principle.text}\n\n"
        f"Message: {message}\n\n"
        "Question: does this rule matter in particular for answering this message, yes or no?\n\n"
        "Answer:"
    )


async def _yes_no(
    engine: Engine, inputs: EvaluationInputs, rows: Sequence[Row], tick: Tick
) -> tuple[RuleProbe, ...]:
    """One request for each row and rule."""
    c, settings = inputs.constitution, inputs.settings
    # All rows of one rule follow each other: the prompts share everything up to the message.
    requests = [(principle, row) for principle in c.principles for row in rows]

    async def ask(request: tuple[Principle, Row]) -> LogProbs | ItemFailure:
        prompt = probe_prompt(*request)
        return await catch_item_failure(ask_logprobs(engine, prompt, YES_NO, settings))

    answers = await map_bounded(ask, requests, settings.max_in_flight, tick)
    # answers[rule * len(rows) + row]: a stride of len(rows) gives one row's answers for all rules.
    return tuple(
        _yes_no_probe(inputs, row, answers[number :: len(rows)]) for number, row in enumerate(rows)
    )


def _yes_no_probe(
    inputs: EvaluationInputs, row: Row, answers: Sequence[LogProbs | ItemFailure]
) -> RuleProbe:
    """The row's answers, in the order of the principles."""
    c = inputs.constitution
    blank = RuleProbe(prompt_id=row.prompt_id, claimed=agreeing_rules(c, row), method="yes_no")
    scores: dict[int, float] = {}
    missing = 0
    for principle, answer in zip(c.principles, answers, strict=True):
        if isinstance(answer, ItemFailure):
            return blank.model_copy(update={"reason": answer.reason, "evidence": answer.evidence})
        scores[principle.id] = answer.values[0] - answer.values[1]
        missing += answer.missing
    return blank.model_copy(update={"scores": scores, "missing": missing})
