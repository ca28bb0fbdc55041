"""Charts: numbers are there, texts are escaped, no data is no error, the result is well-formed."""

import math
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.evaluation.drawing.charts import (
    FunnelStage,
    bars,
    clipped,
    funnel,
    heat_map,
    intervals,
    line_chart,
)
from selfalign.evaluation.drawing.distributions import length_curves, strips
from selfalign.evaluation.drawing.markup import Markup, element, escape, join
from selfalign.evaluation.drawing.scales import Scale, number, percent, quantile, ticks
from selfalign.evaluation.results import IntervalEstimate

EVIL = '<script>alert("x")</script> & "more" \x00\x1b'


def texts(chart: str) -> list[str]:
    """All texts of a chart, which must be well-formed XML."""
    return [node.text or "" for node in ElementTree.fromstring(chart).iter()]


def elements(chart: str, name: str) -> list[dict[str, str]]:
    return [dict(node.attrib) for node in ElementTree.fromstring(chart).iter(name)]


def test_funnel_shows_every_number_and_keeps_proportions() -> None:
    stages = [FunnelStage("topics", 400, 300, 90, 10), FunnelStage("align", 1200, 1200, 0, 0)]
    chart = funnel(stages)
    assert {"300 of 400", "75 % accepted", "1,200 of 1,200", "100 % accepted"} <= set(texts(chart))
    bars_found = elements(chart, "rect")
    assert [bar["class"] for bar in bars_found] == [
        "bar accepted", "bar rejected", "bar failed", "bar accepted",
    ]  # fmt: skip
    widths = [float(bar["width"]) for bar in bars_found]
    assert widths[0] / widths[3] == pytest.approx(300 / 1200, abs=0.01)
    assert widths[1] / widths[0] == pytest.approx(90 / 300, abs=0.01)


def test_heat_map_has_a_cell_for_each_pair() -> None:
    chart = heat_map("label", ["a", "b"], ["x", "y", "z"], [[0.0, 0.5, 1.0], [0.25, 0.0, 0.1]])
    cells = [cell for cell in elements(chart, "rect") if cell["class"] == "cell"]
    assert len(cells) == 6
    depths = [float(cell["fill-opacity"]) for cell in cells]
    assert depths[2] == max(depths)
    assert depths[0] == depths[4] == min(depths)
    assert {"a × z: 100 %", "b × x: 25 %", "50"} <= set(texts(chart))


def test_line_chart_names_series_and_axes() -> None:
    chart = line_chart("Loss", {"engrave": [(1, 2.0), (2, 1.0)], "gone": []}, "step", "loss")
    assert {"engrave", "step", "loss", "2"} <= set(texts(chart))
    assert "gone" not in texts(chart)
    assert len(elements(chart, "polyline")) == 1
    (single,) = elements(line_chart("Loss", {"a": [(5, 3.0)]}, "x", "y"), "circle")
    assert single["r"] == "4"


def test_intervals_place_point_and_whisker() -> None:
    rows = [("Base", "s2", IntervalEstimate(value=0.5, low=0.25, high=0.75, n=12))]
    chart = intervals("Accuracy", rows, chance=0.5)
    (point,) = elements(chart, "circle")
    whisker, chance = (
        next(each for each in elements(chart, "line") if each["class"].startswith(name))
        for name in ("whisker", "chance")
    )
    assert float(point["cx"]) == float(chance["x1"])
    assert float(whisker["x1"]) < float(point["cx"]) < float(whisker["x2"])
    assert "chance 50 %" in texts(chart)


def test_strips_have_a_dot_for_each_value() -> None:
    chart = strips("Lengths", {"Base": [5, 10, 90], "Final": []}, "characters")
    assert len(elements(chart, "circle")) == 3
    assert "median 10" in texts(chart)


def test_no_data_is_no_error() -> None:
    empty = (
        funnel([]),
        funnel([FunnelStage("engrave", 0, 0, 0, 0)]),
        bars("label", {}, []),
        heat_map("label", [], [], []),
        heat_map("label", ["a"], [], [[]]),
        line_chart("label", {}, "x", "y"),
        line_chart("label", {"a": []}, "x", "y"),
        intervals("label", []),
        strips("label", {"Base": []}, "x"),
    )
    assert set(empty) == {'<p class="none">No data.</p>'}


def test_all_texts_are_escaped() -> None:
    estimate = IntervalEstimate(value=0.5, low=0.2, high=0.8, n=3)
    charts = (
        funnel([FunnelStage(EVIL, 3, 1, 1, 1)]),
        bars(EVIL, {EVIL: 3.0}, ["plain"], [EVIL]),
        heat_map(EVIL, [EVIL], [EVIL], [[0.5]]),
        line_chart(EVIL, {EVIL: [(1, 1), (2, 2)]}, EVIL, EVIL),
        intervals(EVIL, [(EVIL, "s1", estimate)]),
        strips(EVIL, {EVIL: [1, 2]}, EVIL),
    )
    for chart in charts:
        assert "<script" not in chart
        assert "&lt;script&gt;" in chart
        assert "\x00" not in chart
        assert any(text.startswith("<script>") for text in texts(chart))


NAMES = st.text(max_size=12)
SIZES = st.floats(-1e9, 1e9)


# A series may well be called "inf"; the test looks for numbers that are.
PLAIN_NAMES = NAMES.filter(lambda name: "nan" not in name and "inf" not in name)


@given(st.dictionaries(PLAIN_NAMES, st.lists(st.tuples(SIZES, SIZES), max_size=8), max_size=5))
def test_any_series_is_a_well_formed_chart(series: Mapping[str, list[tuple[float, float]]]) -> None:
    for area in (False, True):
        chart = line_chart("label", series, "x", "y", area=area)
        assert texts(chart)
        assert "nan" not in chart
        assert "inf" not in chart.replace("infinity", "")


@given(st.dictionaries(NAMES, st.floats(0, 1e12), max_size=8))
def test_any_bars_are_well_formed(values: Mapping[str, float]) -> None:
    assert texts(bars("label", values, ["plain"] * len(values)))


@given(st.dictionaries(NAMES, st.lists(st.integers(0, 10**6), max_size=30), max_size=4))
def test_length_curves_add_up(lengths: Mapping[str, Sequence[int]]) -> None:
    curves = length_curves(lengths)
    assert set(curves) == {name for name, values in lengths.items() if values}
    for points in curves.values():
        assert sum(share for _, share in points) == pytest.approx(1.0)
        assert points[0][0] > 0
    assert texts(strips("label", lengths, "x")) is not None


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_ticks_cover_the_range(first: float, second: float) -> None:
    low, high = sorted((first, second))
    found = ticks(low, high)
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert 2 <= len(found) <= 9
    assert found[0] <= low + slack
    assert found[-1] >= high - slack
    assert found == sorted(found)


def test_scales_and_numbers() -> None:
    assert Scale(0, 10, 100, 200)(5) == 150
    assert Scale(3, 3, 0, 10)(3) == 5
    assert [number(value) for value in (12345, 3.0, 3.256, 123.4, 0.00412)] == [
        "12,345", "3", "3.26", "123", "0.00412",
    ]  # fmt: skip
    assert [percent(value) for value in (0, 0.004, 0.0999, 0.4, 1)] == [
        "0 %", "0.4 %", "10.0 %", "40 %", "100 %",
    ]  # fmt: skip
    assert quantile([1, 2, 3, 4], 0.5) == 3
    assert clipped("abcdef", 4) == "abc…"
    assert math.isclose(ticks(0, 0)[-1], 1.0)


@given(st.text())
def test_escaping_survives_parsing(text: str) -> None:
    node = ElementTree.fromstring(element("p", text, title=text))
    shown = node.text or ""
    for character in '<>&"':
        assert shown.count(character) == text.count(character)
    assert escape(escape(text)) == escape(text)


def test_markup_is_not_escaped_twice_but_plain_text_always() -> None:
    inner = element("b", "1 < 2")
    assert join(inner, "<b>") == "<b>1 &lt; 2</b>&lt;b&gt;"
    assert isinstance(join(inner), Markup)
    assert element("td", "x", class_="n", data_x=1.5) == '<td class="n" data-x="1.5">x</td>'
    # Whatever is done to Markup as a string is plain text again.
    assert "&lt;b&gt;" in element("p", f"{inner}")
