"""The first screen: what got worse, what got better, and every arm's shares beside each other."""

from selfalign.evaluation.drawing.markup import Markup, element, join
from selfalign.evaluation.drawing.scales import number, percent
from selfalign.evaluation.figures import EvaluationResults, Measure
from selfalign.evaluation.report.cells import MISSING, note
from selfalign.evaluation.report.run_view import RunView
from selfalign.evaluation.report.verdict import (
    Finding,
    baseline_note,
    findings,
    heading,
    judged_arm,
    kind_of,
    nothing_worse,
    p_text,
)
from selfalign.evaluation.results import ARM_TITLES, ARMS, Arm, IntervalEstimate, PairedTest

MEANINGS = {
    "usable": "well-formed, ended, not declined",
    "on_task": "likeliest of {questions}; chance {chance}",
    "ended": "before the length limit",
    "answered": "not declined, not empty",
}
"""What a measure counts, in a few words; the section on held-out prompts says it whole."""


def headline_section(view: RunView) -> Markup:
    """The verdict and the table of measures by arm."""
    results = view.results
    if results is None or not results.measures:
        return Markup("")
    found = findings(results)
    parts = [element("h2", heading(results)), *_verdict(found)] if found else []
    remarks = [text for arm in results.arms for text in _left_out(arm.left_out)]
    if results.on_task and results.on_task.missing:
        remarks.append(f"On task was not measured: {results.on_task.missing}.")
    return element(
        "section",
        *parts,
        _table(results),
        note(baseline_note()),
        *(note(text, warn=True) for text in remarks),
        id="verdict",
    )


def _left_out(left_out: dict[Arm, str]) -> list[str]:
    return [f"{ARM_TITLES[arm]} was left out: {reason}." for arm, reason in left_out.items()]


def _verdict(found: list[Finding]) -> list[Markup]:
    """Worse, then better; what chance may have made stands in the table."""
    worse = [one for one in found if one.kind == "worse"]
    better = [one for one in found if one.kind == "better"]
    still = len(found) - len(worse) - len(better)
    items = [_item(one, "Worse", "bad") for one in worse] or [_plain(nothing_worse())]
    items += [_item(one, "Better", "good") for one in better] or [
        _plain("Nothing is better beyond chance.")
    ]
    if still:
        items.append(_plain(f"{still} of {len(found)} differences are within chance."))
    return [element("ul", *items, class_="verdict")]


def _item(one: Finding, word: str, kind: str) -> Markup:
    badge = element("span", word, class_=f"badge {kind}")
    change = one.change.replace("->", "→")
    counts = element("span", f"({one.counts})", class_="counts")
    return element("li", badge, " ", element("b", one.title), f" {change} ", counts)


def _plain(text: str) -> Markup:
    return element("li", text, class_="plain")


def _table(results: EvaluationResults) -> Markup:
    arms = [arm for arm in ARMS if any(arm in measure.shares for measure in results.measures)]
    head = [element("th", "Share", class_="t", scope="col")]
    for arm in arms:
        mark = [element("small", "baseline")] if arm == results.baseline else []
        head.append(element("th", ARM_TITLES[arm], *mark, class_="m", scope="col"))
    rows = [
        element(
            "tr",
            _name(measure, results),
            *(_cell(measure, arm, arm == judged_arm(results)) for arm in arms),
        )
        for measure in results.measures
    ]
    content = join(element("thead", element("tr", *head)), element("tbody", *rows))
    return element("div", element("table", content, class_="measures"), class_="scroll")


def _name(measure: Measure, results: EvaluationResults) -> Markup:
    n = max((share.n for share in measure.shares.values()), default=0)
    questions = (results.on_task.neighbours if results.on_task else 0) + 1
    meaning = MEANINGS.get(measure.key, "").format(
        questions=questions, chance=percent(1 / questions)
    )
    counted = element("span", f"n = {number(n)}", class_="count")
    more = [element("small", meaning)] if meaning else []
    return element("th", measure.title, " ", counted, *more, class_="t", scope="row")


def _cell(measure: Measure, arm: Arm, judged: bool) -> Markup:
    share, test = measure.shares.get(arm), measure.tests.get(arm)
    if share is None:
        return element("td", MISSING, class_="m")
    first = element("div", element("b", percent(share.value)), _meter(share, arm), class_="line1")
    tested = [_test(test)] if test is not None else []
    second = element("div", _interval(share), *tested, class_="line2")
    return element("td", first, second, class_="m judged" if judged else "m")


def _interval(share: IntervalEstimate) -> Markup:
    low, high = (percent(end).removesuffix(" %") for end in (share.low, share.high))
    return element("span", f"{low}–{high}", class_="interval")


def _meter(share: IntervalEstimate, arm: Arm) -> Markup:
    """A bar of the share, with its interval as a line over it; its numbers stand beside it."""
    low, high = 100 * share.low, 100 * share.high
    return element(
        "div",
        element("i", style=f"width:{100 * share.value:.1f}%"),
        element("em", style=f"left:{low:.1f}%;width:{high - low:.1f}%"),
        class_=f"meter {arm}",
        aria_hidden="true",
    )


def _test(test: PairedTest) -> Markup:
    kind = {"worse": "bad", "better": "good", "open": ""}[kind_of(test)]
    text = f"+{test.won} −{test.lost} {p_text(test.p).replace(' ', '')}"
    return element("span", text, class_=f"test {kind}".strip())
