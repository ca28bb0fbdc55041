"""report.html and card.md of complete, partial and hostile runs."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from selfalign.evaluation.figures import EvaluationResults
from selfalign.evaluation.report.funnel import first_evidence
from selfalign.evaluation.report.run_card import render_card
from selfalign.evaluation.report.run_report import SECTIONS, render_report
from selfalign.evaluation.report.run_view import VIEW_SCHEMA, RunView, view_table
from selfalign.evaluation.results import ARMS
from selfalign.storage.manifest import Manifest
from selfalign.storage.rows import Row, RowStatus
from selfalign.storage.tables import to_table
from support import made_up_run
from support.made_up_arms import compared

EVIL = '<script>alert(1)</script><img src="http://example.org/x">'
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Checker(HTMLParser):
    """Collects tags and texts; fails where tags do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def check(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    names = {tag for tag, _ in checker.tags}
    assert not names & {"script", "img", "link", "iframe", "object", "base", "form"}
    for _, attributes in checker.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#").startswith("#")  # type: ignore[union-attr]
        assert "src" not in attributes
    style = page.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    return checker


@pytest.fixture
async def results() -> EvaluationResults:
    return await made_up_run.results()


def test_the_report_of_a_whole_run(results: EvaluationResults) -> None:
    view = made_up_run.view(results)
    page = render_report(view)
    checker = check(page)
    text = " ".join(checker.texts)
    for key, (title, _) in SECTIONS.items():
        assert any(attributes.get("id") == key for _, attributes in checker.tags)
        assert title in text
    assert "620 of 1,800" in text
    assert "EngineTimeout" in text
    assert "distill" in text
    assert "Built-in items" in text
    assert made_up_run.QUESTIONS[0] in text
    assert "Put it where it gets light." in text
    assert results.constitution in text
    assert "seed: 7" in text
    assert "default-src 'none'" in page
    assert "$" not in page.split("</style>")[1]


def test_every_sample_has_all_arms(results: EvaluationResults) -> None:
    page = render_report(made_up_run.view(results), samples=2)
    assert page.count('class="sample"') == 2
    for arm in ARMS:
        assert page.count(f'class="answer {arm}"') == 2


def hostile(results: EvaluationResults) -> RunView:
    answers = tuple(
        answer.model_copy(
            update={
                "answer": EVIL + "\x00",
                "instruction": EVIL,
                "input": EVIL,
                "thoughts": EVIL,
                "reason": EVIL if number == 1 else "",
                "evidence": EVIL,
            }
        )
        for number, answer in enumerate(results.arms[0].answers)
    )
    arm = results.arms[0].model_copy(update={"answers": answers, "model_id": EVIL})
    row = Row(
        row_id="r", prompt_id="p", status=RowStatus.REJECTED, reason=EVIL, evidence=EVIL,
        question_type=EVIL,
    )  # fmt: skip
    accepted = replace(row, row_id="q", status=RowStatus.ACCEPTED, reason="", rules=(1, 2))
    view = made_up_run.view(results.model_copy(update={"arms": (arm, *results.arms[1:])}))
    return replace(
        view,
        name=EVIL,
        config=f"name: {EVIL}\n$title ${{style}}",
        manifests=[
            Manifest(stage="align", inputs=2, accepted=1, rejected=1, reasons={EVIL: 1}),
            Manifest(stage="engrave", details={"base_model": EVIL}, fingerprint={"model": EVIL}),
        ],
        tables={"align": view_table(to_table([row, accepted]))},
        principles={1: EVIL, 2: "plain"},
    )


def test_whatever_a_model_wrote_is_shown_as_text(results: EvaluationResults) -> None:
    page = render_report(hostile(results))
    checker = check(page)
    assert page.count("&lt;script&gt;") > 20
    assert sum(EVIL in text for text in checker.texts) > 15
    assert "$title ${style}" in " ".join(checker.texts)
    assert "\x00" not in page


def test_the_card_shows_hostile_text_as_text(results: EvaluationResults) -> None:
    card = render_card(hostile(results))
    outside_code = re.sub(r"`[^`]*`", "", card)
    assert "\\<script\\>" in outside_code
    assert not re.search(r"(?<!\\)<", outside_code)


def test_partial_runs_have_a_report(results: EvaluationResults) -> None:
    view = made_up_run.view(results)
    nothing = RunView(name="new", config="", stages=made_up_run.STAGES, manifests=[])
    for partial in (
        nothing,
        replace(nothing, manifests=view.manifests[:2]),
        replace(view, results=None),
        replace(view, tables={}, losses=()),
        replace(view, results=results.model_copy(update={"arms": (), "summaries": ()})),
        replace(view, results=results.model_copy(update={"measures": (), "baseline": None})),
        replace(view, results=results.model_copy(update={"on_task": None})),
        replace(view, results=results.model_copy(update={"accuracies": (), "agreement": None})),
    ):
        check(render_report(partial))
        assert render_card(partial).startswith(f"# {partial.name}\n")
    assert "No stage of this run is finished" in render_report(nothing)


def test_the_card(results: EvaluationResults) -> None:
    card = render_card(made_up_run.view(results))
    assert "| align | 600 | 400 | 191 | 9 |" in card
    assert "| align | EngineTimeout | 9 |" in card
    assert f"- Constitution: `{results.constitution}`" in card
    assert "built-in items, too few to compare" in card
    widths = {}
    for block in card.split("\n\n"):
        if block.startswith("|"):
            widths[block] = {line.count("|") for line in block.splitlines()}
    assert len(widths) == 6
    assert all(len(counts) == 1 for counts in widths.values())


def test_equal_runs_give_equal_pages(results: EvaluationResults) -> None:
    assert render_report(made_up_run.view(results)) == render_report(made_up_run.view(results))


def test_first_evidence() -> None:
    table = view_table(to_table(made_up_run.align_rows(30)))
    found = first_evidence(table)
    assert set(found) <= set(made_up_run.REASONS)
    assert "found in row 2" in found.values()
    assert first_evidence(VIEW_SCHEMA.empty_table()) == {}


async def test_the_first_screen_says_what_got_worse_before_what_got_better() -> None:
    results = await compared(usable=(38, 60), on_task=(80, 40), harm=(2, 11), benign=(12, 11))
    page = render_report(made_up_run.view(results))
    check(page)
    first = page.split("<nav>")[0]
    assert "<h2>Final against Base, own template</h2>" in first
    badges = re.findall(r'<span class="badge (?:bad|good)">(\w+)</span>', first)
    assert badges[0] == "Worse"
    assert badges == sorted(badges, reverse=True)
    rows = re.findall(r"<tr>(.*?)</tr>", first)[1:]
    assert [re.split("<", row.split(">", 1)[1])[0].strip() for row in rows] == [
        "Usable answers",
        "On task",
        "Ended by itself",
        "Requests answered",
        "All probes",
        "Probe: harm",
        "Probe: look-alikes",
    ]
    # Five arms: four of them with a test against the baseline, whose column has none.
    assert {row.count('class="line1"') for row in rows} == {5}
    assert {row.count("p=") + row.count("p&lt;") for row in rows} == {4}
    card = render_card(made_up_run.view(results))
    assert card.index("- Worse: On task") < card.index("- Better: ") < card.index("## Rows")


async def test_built_in_benchmarks_are_no_tile(results: EvaluationResults) -> None:
    assert "HHH accuracy" not in render_report(made_up_run.view(results)).split("<nav>")[0]
    arms = tuple(
        arm.model_copy(
            update={
                "benchmarks": tuple(
                    scores.model_copy(
                        update={"source": scores.source.model_copy(update={"path": "hhh.jsonl"})}
                    )
                    for scores in arm.benchmarks
                )
            }
        )
        for arm in results.arms
    )
    of_files = results.model_copy(update={"arms": arms})
    assert "HHH accuracy" in render_report(made_up_run.view(of_files)).split("<nav>")[0]
    assert "final.hhh" in of_files.headline()
