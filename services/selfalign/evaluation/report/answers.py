"""Held-out prompts: figures of each arm, and answers side by side."""

from collections import defaultdict
from collections.abc import Iterable

from selfalign.evaluation.drawing.charts import nothing
from selfalign.evaluation.drawing.markup import Markup, element, join
from selfalign.evaluation.drawing.scales import number
from selfalign.evaluation.report.cells import mean_cell, note, share_cell, table
from selfalign.evaluation.report.run_view import RunView
from selfalign.evaluation.results import ARM_TITLES, ARMS, AnswerSummary, Arm, HeldOutAnswer

HEAD = (
    "Arm", "Answers", "Failed", "Direct", "Ended", "Usable", "Empty", "Characters", "Tokens",
    "Repeated", "Cites rules",
)  # fmt: skip
EXPLANATION = (
    "Prompts that no training saw. Direct: answers at once, in the format of its layout. Ended: "
    "stopped by itself, not at the length limit. Usable: direct, ended and not empty. Repeated: "
    "share of word trigrams that occurred before in the same answer. Small print: bootstrap "
    "interval, which is too narrow where answers are few or all alike."
)


def answers_section(view: RunView, samples: int) -> Markup:
    """The table of arms, then `samples` prompts with every arm's answer."""
    if view.results is None or not view.results.summaries:
        return nothing()
    answers = [answer for arm in view.results.arms for answer in arm.answers]
    return join(
        note(EXPLANATION),
        table(HEAD, [_summary(each) for each in view.results.summaries]),
        element("h3", "Side by side"),
        *_samples(answers, samples),
    )


def _summary(each: AnswerSummary) -> list[str]:
    shares = (each.direct, each.ended, each.usable, each.empty)
    return [
        ARM_TITLES[each.arm],
        number(each.answered),
        number(each.failed),
        *map(share_cell, shares),
        mean_cell(each.chars),
        mean_cell(each.tokens),
        share_cell(each.repetition),
        share_cell(each.cites_rules),
    ]


def _samples(answers: Iterable[HeldOutAnswer], count: int) -> Iterable[Markup]:
    by_prompt: dict[str, dict[Arm, HeldOutAnswer]] = defaultdict(dict)
    for answer in answers:
        by_prompt[answer.prompt_id][answer.arm] = answer
    for found in list(by_prompt.values())[:count]:
        first = next(iter(found.values()))
        given = [element("p", first.input, class_="given")] if first.input else []
        cards = [_card(found[arm]) for arm in ARMS if arm in found]
        yield element(
            "div",
            element("p", first.instruction),
            *given,
            element("div", *cards, class_="answers"),
            class_="sample",
        )


def _card(answer: HeldOutAnswer) -> Markup:
    title = element("h4", ARM_TITLES[answer.arm])
    class_ = f"answer {answer.arm}"
    if answer.reason:
        failed = element("div", _badge(answer.reason, "bad"), class_="badges")
        return element("div", title, element("div", answer.evidence), failed, class_=class_)
    thoughts = [element("div", answer.thoughts, class_="thoughts")] if answer.thoughts else []
    text = answer.answer or "(empty)"
    badges = [
        _badge("direct", "good") if answer.direct else _badge("not direct", "bad"),
        _badge("ended", "good") if answer.ended else _badge("cut off", "bad"),
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


def _badge(text: str, kind: str = "") -> Markup:
    return element("span", text, class_=f"badge {kind}".strip())
