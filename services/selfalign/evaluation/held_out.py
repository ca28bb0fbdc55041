"""Held-out prompts: one answer by each arm, and what can be measured of it without a judge.

An answer is `direct` if the completion begins with it in the layout's format:
- under the constitution: opening sentence, thoughts, and the answer under its header;
- in a student's layout: text at once, and no heading or header of any layout before or in it.
It `ended` if the model stopped by itself (end token, or the next turn's heading).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from selfalign.constitution.model import Constitution
from selfalign.constitution.parse import parse_completion
from selfalign.constitution.render import (
    engine_stops,
    render_answer_cue,
    render_prefix,
    render_query,
    render_student_prompt,
    student_stops,
)
from selfalign.evaluation.concurrency import Failure, guarded, map_bounded
from selfalign.evaluation.inputs import EvaluationInputs
from selfalign.evaluation.results import AnswerSummary, Arm, Estimate, HeldOutAnswer
from selfalign.inference.engine import Completion, Engine
from selfalign.settings.sampling import SamplingParams
from selfalign.storage.rows import PromptItem, derive_seed

TRIGRAM = 3


async def answer_held_out(
    arm: Arm, engine: Engine, inputs: EvaluationInputs, tick: Callable[[int, int], None]
) -> tuple[HeldOutAnswer, ...]:
    """The arm's answer to every held-out prompt, in their order.

    All arms sample a prompt with the same seed. A failed request gives an answer with `reason`.

    Raises:
        EngineUnavailable, EngineUnauthorized: the engine cannot be used.
    """

    async def answer(prompt: PromptItem) -> HeldOutAnswer:
        seed = derive_seed(inputs.settings.seed, "evaluate", prompt.prompt_id)
        ask = _ask_under_constitution if arm == "base_constitution" else _ask_student
        completion = await guarded(ask(engine, inputs, prompt, seed))
        blank = HeldOutAnswer(
            arm=arm,
            prompt_id=prompt.prompt_id,
            instruction=prompt.instruction,
            input=prompt.input,
        )
        if isinstance(completion, Failure):
            return blank.model_copy(
                update={"reason": completion.reason, "evidence": completion.evidence}
            )
        return measured(inputs.constitution, blank, completion)

    limit = inputs.settings.max_in_flight
    return tuple(await map_bounded(answer, inputs.held_out, limit, tick))


async def _ask_student(
    engine: Engine, inputs: EvaluationInputs, prompt: PromptItem, seed: int
) -> Completion:
    c, settings = inputs.constitution, inputs.settings
    text = render_student_prompt(c, prompt.instruction, prompt.input)
    params = _with_stops(settings.sampling, student_stops(c))
    return await engine.generate(text, params, seed=seed, deadline_s=settings.deadline_s)


async def _ask_under_constitution(
    engine: Engine, inputs: EvaluationInputs, prompt: PromptItem, seed: int
) -> Completion:
    c, settings = inputs.constitution, inputs.settings
    text = render_prefix(c) + render_query(c, prompt.instruction, prompt.input)
    params = _with_stops(settings.sampling, engine_stops(c))
    if settings.constitution_calls == "one":
        return await engine.generate(text, params, seed=seed, deadline_s=settings.deadline_s)
    brief = settings.sampling.model_copy(
        update={"max_new_tokens": settings.thoughts_tokens, "stop": ("\n",)}
    )
    thoughts = await engine.generate(text, brief, seed=seed, deadline_s=settings.deadline_s)
    cue = render_answer_cue(c, thoughts.text)
    answer = await engine.generate(text + cue, params, seed=seed, deadline_s=settings.deadline_s)
    return Completion(
        text=cue + answer.text,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=thoughts.completion_tokens + answer.completion_tokens,
        latency_ms=thoughts.latency_ms + answer.latency_ms,
    )


def _with_stops(sampling: SamplingParams, stops: Sequence[str]) -> SamplingParams:
    return sampling.model_copy(update={"stop": tuple(stops)})


def measured(c: Constitution, blank: HeldOutAnswer, completion: Completion) -> HeldOutAnswer:
    """The answer with all that its completion tells."""
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

    def mean(values: Iterable[float]) -> Estimate | None:
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
