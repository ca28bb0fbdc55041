"""Tables, figures and estimates as the sections show them."""

from collections.abc import Sequence

from selfalign.evaluation.drawing.markup import Markup, element, join
from selfalign.evaluation.drawing.scales import number, percent
from selfalign.evaluation.results import IntervalEstimate

MISSING = "–"


def figure(chart: Markup, caption: str) -> Markup:
    """A chart with what it shows."""
    return element("figure", chart, element("figcaption", caption))


def note(text: str, *, warn: bool = False) -> Markup:
    """A remark below a heading."""
    return element("p", text, class_="note warn" if warn else "note")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> Markup:
    """A table whose first columns hold text and whose others hold numbers."""

    def cells(name: str, values: Sequence[str]) -> list[Markup]:
        return [
            element(name, value, class_="t" if index < text_columns else "n")
            for index, value in enumerate(values)
        ]

    body = [element("tr", *cells("td", row)) for row in rows]
    content = join(element("thead", element("tr", *cells("th", head))), element("tbody", *body))
    return element("div", element("table", content), class_="scroll")


def share_cell(estimate: IntervalEstimate | None) -> Markup:
    """A share with its interval."""
    if estimate is None:
        return Markup(MISSING)
    interval = " – ".join(percent(end).removesuffix(" %") for end in (estimate.low, estimate.high))
    return join(percent(estimate.value), element("small", interval))


def mean_cell(estimate: IntervalEstimate | None) -> Markup:
    """A mean with its interval."""
    if estimate is None:
        return Markup(MISSING)
    interval = f"{number(round(estimate.low))} – {number(round(estimate.high))}"
    return join(number(round(estimate.value)), element("small", interval))
