"""Held-out prompts: one answer by each arm, and what can be measured of it without a judge.

Held-out prompts are ordinary requests, for all that the run knows. An answer is usable if it is
`direct`, `ended`, is not empty, passes the run's own filters of form, and does not decline.

An answer is `direct` if the completion begins with it in the layout's format:
- under the constitution: opening sentence, thoughts, and the answer under its header;
- in any other layout: text at once, and no heading or header of any layout before or in it.
It `ended` if the model stopped by itself (end token, or the next turn's heading).
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

from selfalign.answering.constitution_calls import CallPlan, ConstitutionCaller
from selfalign.constitution.parse import parse_completion
from selfalign.constitution.render import engine_stops
from selfalign.constitution.schema import Constitution
from selfalign.evaluation.concurrency import ItemFailure, catch_item_failure, map_bounded
from selfalign.evaluation.evaluation_inputs import EvaluationInputs
from selfalign.evaluation.figures import AnswerSummary
from selfalign.evaluation.results import Arm, HeldOutAnswer, IntervalEstimate, TopicRank
from selfalign.evaluation.statistics import share
from selfalign.filters.declining import declines
from selfalign.inference.contract.engine import Completion, Engine
from selfalign.layout.contract import Layout
from selfalign.storage.rows import PromptItem, derive_seed

TRIGRAM = 3
# Part of every seed: another word would sample other answers.
SEED_SCOPE = "evaluate"
Ask = Callable[[PromptItem, int], Awaitable[Completion]]
"""(prompt, seed) to what the model wrote."""
MakeAsk = Callable[[Engine, EvaluationInputs], Ask]
Render = Callable[[str, str], str]
"""(instruction, input) to a prompt."""


async def answer_held_out(
    arm: Arm, engine: Engine, inputs: EvaluationInputs, tick: Callable[[int, int], None]
) -> tuple[HeldOutAnswer, ...]:
    """The arm's answer to every held-out prompt, in their order.

    All arms sample a prompt with the same seed. A failed request gives an answer with `reason`.

    Raises:
        EngineUnavailable, EngineUnauthorized: the engine cannot be used.
        ValueError: the arm cannot be asked, see EvaluationInputs.own.
    """
    ask = _make_ask(arm, inputs)(engine, inputs)

    async def answer(prompt: PromptItem) -> HeldOutAnswer:
        seed = derive_seed(inputs.settings.seed, SEED_SCOPE, prompt.prompt_id)
        completion = await catch_item_failure(ask(prompt, seed))
        blank = HeldOutAnswer(
            arm=arm,
            prompt_id=prompt.prompt_id,
            instruction=prompt.instruction,
            input=prompt.input,
        )
        if isinstance(completion, ItemFailure):
            return blank.model_copy(
                update={"reason": completion.reason, "evidence": completion.evidence}
            )
        return measured(inputs, blank, completion)

    limit = inputs.settings.max_in_flight
    return tuple(await map_bounded(answer, inputs.held_out, limit, tick))


def _ask_by(layout: Layout, render: Render) -> MakeAsk:
    """Asks by the layout, its prompts rendered by one of its methods."""

    def make(engine: Engine, inputs: EvaluationInputs) -> Ask:
        settings = inputs.settings
        params = settings.sampling.model_copy(update={"stop": layout.stops})

        async def ask(prompt: PromptItem, seed: int) -> Completion:
            text = render(prompt.instruction, prompt.input)
            return await engine.generate(text, params, seed=seed, deadline_s=settings.deadline_s)

        return ask

    return make


def _make_ask(arm: Arm, inputs: EvaluationInputs) -> MakeAsk:
    """How the arm is asked. Raises ValueError for base_own where there is no template."""
    if arm == "base_constitution":
        return _constitution_ask
    if arm != "base_own":
        return _ask_by(inputs.layout, inputs.layout.student_prompt)
    if isinstance(inputs.own, str):
        raise ValueError(f"base_own: {inputs.own}; this arm cannot be asked")
    return _ask_by(inputs.own, inputs.own.own_prompt)


def _constitution_ask(engine: Engine, inputs: EvaluationInputs) -> Ask:
    c, settings = inputs.constitution, inputs.settings
    plan = CallPlan(
        calls=settings.calls,
        sampling=settings.sampling.model_copy(update={"stop": engine_stops(c)}),
        thoughts_tokens=settings.thoughts_tokens,
        deadline_s=settings.deadline_s,
    )
    caller = ConstitutionCaller(c, engine, plan)
    return lambda prompt, seed: caller.ask(prompt.instruction, prompt.input, seed)


def measured(
    inputs: EvaluationInputs, blank: HeldOutAnswer, completion: Completion
) -> HeldOutAnswer:
    """The answer with all that its completion says about it."""
    c = inputs.constitution
    thoughts, rules = "", tuple[int, ...]()
    if blank.arm == "base_constitution":
        parsed = parse_completion(c, completion.text)
        answer = parsed.answer or ""
        direct = parsed.opened and parsed.answer is not None
        thoughts = parsed.thoughts
        rules = tuple(dict.fromkeys(rule.id for rule in parsed.rules if rule.agrees and rule.name))
    else:
        answer = completion.text.strip()
        direct = bool(answer) and not mentions_layout(c, answer)
    ended = completion.finish_reason != "length"
    objections = inputs.filters.all_objections(
        blank.instruction, blank.input, answer, complete=ended
    )
    return blank.model_copy(
        update={
            "completion": completion.text,
            "answer": answer,
            "thoughts": thoughts,
            "rules": rules,
            "direct": direct,
            "ended": ended,
            "empty": not answer,
            "objections": tuple(dict.fromkeys(one.reason for one in objections)),
            "declined": declines(answer) or "",
            "chars": len(answer),
            "tokens": completion.completion_tokens,
            "repetition": repetition(answer),
            "finish_reason": completion.finish_reason,
        }
    )


def mentions_layout(c: Constitution, answer: str) -> bool:
    """Whether a line of the answer begins with a header of any layout."""
    w, s = c.wording, c.student
    headers = (
        w.user_header, w.thoughts_header, w.answer_header, w.auto_reply_header,
        s.user_heading, s.assistant_heading, s.verbose_heading,
    )  # fmt: skip
    return any(line.lstrip().startswith(headers) for line in answer.splitlines())


def repetition(text: str) -> float:
    """Share of word trigrams that occurred before in the text: 0 none, towards 1 a loop."""
    words = text.casefold().split()
    trigrams = Counter(zip(words, words[1:], words[2:], strict=False))
    total = max(0, len(words) - TRIGRAM + 1)
    return 1.0 - len(trigrams) / total if total else 0.0


def summarise(
    arm: Arm, answers: Iterable[HeldOutAnswer], ranks: Iterable[TopicRank], inputs: EvaluationInputs
) -> AnswerSummary:
    """Shares and means over the arm's answers; failed requests are counted, and in no share."""
    answers = list(answers)
    good = [answer for answer in answers if not answer.reason]

    def mean(values: Iterable[float]) -> IntervalEstimate | None:
        return inputs.bootstrap.mean([float(value) for value in values])

    def part(outcomes: Iterable[bool]) -> IntervalEstimate | None:
        return share(outcomes, inputs.settings.confidence)

    return AnswerSummary(
        arm=arm,
        answered=len(good),
        failed=len(answers) - len(good),
        direct=part(answer.direct for answer in good),
        ended=part(answer.ended for answer in good),
        usable=part(answer.usable for answer in good),
        on_task=part(rank.on_task for rank in ranks if rank.arm == arm),
        declined=part(bool(answer.declined) for answer in good),
        loops=part(answer.has("loops") for answer in good),
        copies=part(answer.has("copies") for answer in good),
        introduces=part(answer.has("introduces") for answer in good),
        other_language=part(answer.has("other_language") for answer in good),
        empty=part(answer.empty for answer in good),
        chars=mean(answer.chars for answer in good),
        tokens=mean(answer.tokens for answer in good),
        repetition=mean(answer.repetition for answer in good),
        cites_rules=part(bool(answer.rules) for answer in good)
        if arm == "base_constitution"
        else None,
    )
