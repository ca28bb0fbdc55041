"""Held-out prompts: one answer by each arm, and what can be measured of it without a judge.

An answer is `direct` if the completion begins with it in the layout's format:
- under the constitution: opening sentence, thoughts, and the answer under its header;
- in a student's layout: text at once, and no heading or header of any layout before or in it.
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
from selfalign.evaluation.results import AnswerSummary, Arm, HeldOutAnswer, IntervalEstimate
from selfalign.inference.contract.engine import Completion, Engine
from selfalign.storage.rows import PromptItem, derive_seed

TRIGRAM = 3
# Part of every seed: another word would sample other answers.
SEED_SCOPE = "evaluate"
Ask = Callable[[PromptItem, int], Awaitable[Completion]]
"""(prompt, seed) to what the model wrote."""


async def answer_held_out(
    arm: Arm, engine: Engine, inputs: EvaluationInputs, tick: Callable[[int, int], None]
) -> tuple[HeldOutAnswer, ...]:
    """The arm's answer to every held-out prompt, in their order.

    All arms sample a prompt with the same seed. A failed request gives an answer with `reason`.

    Raises:
        EngineUnavailable, EngineUnauthorized: the engine cannot be used.
    """
    make = _constitution_ask if arm == "base_constitution" else _student_ask
    ask = make(engine, inputs)

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
        return measured(inputs.constitution, blank, completion)

    limit = inputs.settings.max_in_flight
    return tuple(await map_bounded(answer, inputs.held_out, limit, tick))


def _student_ask(engine: Engine, inputs: EvaluationInputs) -> Ask:
    layout, settings = inputs.layout, inputs.settings
    params = settings.sampling.model_copy(update={"stop": layout.stops})

    async def ask(prompt: PromptItem, seed: int) -> Completion:
        text = layout.student_prompt(prompt.instruction, prompt.input)
        return await engine.generate(text, params, seed=seed, deadline_s=settings.deadline_s)

    return ask


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


def measured(c: Constitution, blank: HeldOutAnswer, completion: Completion) -> HeldOutAnswer:
    """The answer with all that its completion says about it."""
    thoughts, rules = "", tuple[int, ...]()
    if blank.arm == "base_constitution":
        parsed = parse_completion(c, completion.text)
        answer = parsed.answer or ""
        direct = parsed.opened and parsed.answer is not None
        thoughts = parsed.thoughts
        rules = tuple(dict.fromkeys(rule.id for rule in parsed.rules if rule.known))
    else:
        answer = completion.text.strip()
        direct = bool(answer) and not mentions_layout(c, answer)
    return blank.model_copy(
        update={
            "completion": completion.text,
            "answer": answer,
            "thoughts": thoughts,
            "rules": rules,
            "direct": direct,
            "ended": completion.finish_reason != "length",
            "empty": not answer,
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
    arm: Arm, answers: Iterable[HeldOutAnswer], inputs: EvaluationInputs
) -> AnswerSummary:
    """Means and intervals over the arm's answers; failed requests are counted, not averaged."""
    answers = list(answers)
    good = [answer for answer in answers if not answer.reason]

    def mean(values: Iterable[float]) -> IntervalEstimate | None:
        return inputs.bootstrap.mean([float(value) for value in values])

    cites = mean(bool(answer.rules) for answer in good) if arm == "base_constitution" else None
    return AnswerSummary(
        arm=arm,
        answered=len(good),
        failed=len(answers) - len(good),
        direct=mean(answer.direct for answer in good),
        ended=mean(answer.ended for answer in good),
        usable=mean(answer.usable for answer in good),
        empty=mean(answer.empty for answer in good),
        chars=mean(answer.chars for answer in good),
        tokens=mean(answer.tokens for answer in good),
        repetition=mean(answer.repetition for answer in good),
        cites_rules=cites,
    )
