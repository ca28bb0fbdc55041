"""Held-out prompts: figures of each arm, and answers side by side."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from selfalign.evaluation.drawing.charts import nothing
from selfalign.evaluation.drawing.markup import Markup, element, join
from selfalign.evaluation.drawing.scales import number
from selfalign.evaluation.figures import AnswerSummary
from selfalign.evaluation.report.cells import mean_cell, note, share_cell, table
from selfalign.evaluation.report.run_view import RunView
from selfalign.evaluation.results import (
    ARM_TITLES,
    ARMS,
    Arm,
    HeldOutAnswer,
    IntervalEstimate,
    TopicRank,
)

Shown = Callable[[AnswerSummary], Markup]
EXPLANATION = (
    "Prompts that no training saw. Direct: answers at once, in the format of its layout. Ended: "
    "stopped by itself, not at the length limit. Usable: direct, ended, not empty, without an "
    "objection of the run's own filters, and not declining: these are ordinary requests. Loops, "
    "copies of the prompt, recited introductions and other languages are what those filters find. "
    "Repeated: share of word trigrams that occurred before in the same answer. Small print: Wilson "
    "intervals of shares, bootstrap intervals of means."
)


def _share(name: str) -> Shown:
    def shown(each: AnswerSummary) -> Markup:
        found: IntervalEstimate | None = getattr(each, name)
        return share_cell(found)

    return shown


FIGURES: dict[str, Shown] = {
    "Answers": lambda each: Markup(number(each.answered)),
    "Failed requests": lambda each: Markup(number(each.failed)),
    "Usable": _share("usable"),
    "On task": _share("on_task"),
    "Direct": _share("direct"),
    "Ended": _share("ended"),
    "Declined": _share("declined"),
    "Loops": _share("loops"),
    "Copies of the prompt": _share("copies"),
    "Recited introduction": _share("introduces"),
    "Other language": _share("other_language"),
    "Empty": _share("empty"),
    "Characters": lambda each: mean_cell(each.chars),
    "Tokens": lambda each: mean_cell(each.tokens),
    "Repeated": _share("repetition"),
    "Cites rules": _share("cites_rules"),
}
"""Row of the table -> its cell for an arm."""


def answers_section(view: RunView, samples: int) -> Markup:
    """The table of figures by arm, then `samples` prompts with every arm's answer."""
    if view.results is None or not view.results.summaries:
        return nothing()
    answers = [answer for arm in view.results.arms for answer in arm.answers]
    ranks = view.results.on_task.ranks if view.results.on_task else ()
    summaries = view.results.summaries
    return join(
        note(EXPLANATION),
        table(
            ("", *(ARM_TITLES[each.arm] for each in summaries)),
            [[name, *map(shown, summaries)] for name, shown in FIGURES.items()],
        ),
        element("h3", "Side by side"),
        *_samples(answers, ranks, samples),
    )


def _samples(
    answers: Iterable[HeldOutAnswer], ranks: Sequence[TopicRank], count: int
) -> Iterable[Markup]:
    ranked = {(rank.arm, rank.prompt_id): rank for rank in ranks}
    by_prompt: dict[str, dict[Arm, HeldOutAnswer]] = defaultdict(dict)
    for answer in answers:
        by_prompt[answer.prompt_id][answer.arm] = answer
    for found in list(by_prompt.values())[:count]:
        first = next(iter(found.values()))
        given = [element("p", first.input, class_="given")] if first.input else []
        cards = [
            _card(found[arm], ranked.get((arm, first.prompt_id))) for arm in ARMS if arm in found
        ]
        yield element(
            "div",
            element("p", first.instruction),
            *given,
            element("div", *cards, class_="answers"),
            class_="sample",
        )


def _card(answer: HeldOutAnswer, rank: TopicRank | None) -> Markup:
    title = element("h4", ARM_TITLES[answer.arm])
    class_ = f"answer {answer.arm}"
    if answer.reason:
        failed = element("div", _badge(answer.reason, "bad"), class_="badges")
        return element("div", title, element("div", answer.evidence), failed, class_=class_)
    thoughts = [element("div", answer.thoughts, class_="thoughts")] if answer.thoughts else []
    text = answer.answer or "(empty)"
    badges = [
        _badge("usable", "good") if answer.usable else _badge("not usable", "bad"),
        *([] if rank is None else [_topic_badge(rank)]),
        *(_badge(text, "bad") for text in _faults(answer)),
        _badge(f"{number(answer.tokens)} tokens"),
        *([_badge("rules " + ", ".join(map(str, answer.rules)))] if answer.rules else []),
    ]
    return element(
        "div",
        title,
        *thoughts,
        element("div", text, class_="text"),
        element("div", *badges, class_="badges"),
        class_=class_,
    )


def _faults(answer: HeldOutAnswer) -> list[str]:
    """Why the answer is not usable."""
    own = {"truncated", "answer_empty"}
    faults = {
        "not direct": not answer.direct,
        "cut off": not answer.ended,
        "declines": bool(answer.declined),
    }
    return [name for name, found in faults.items() if found] + [
        reason.replace("_", " ") for reason in answer.objections if reason not in own
    ]


def _topic_badge(rank: TopicRank) -> Markup:
    return _badge("on task", "good") if rank.on_task else _badge("not on task", "bad")


def _badge(text: str, kind: str = "") -> Markup:
    return element("span", text, class_=f"badge {kind}".strip())
