"""The report in a real browser: what it shows, and that it asks nobody for anything."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from selfalign.evaluation.report.run_report import render_report
from support import made_up_run
from support.browser import NONE_FOUND, dom, find_browser

EVIL = "<script>document.title = 'taken over'</script><b id=evil>bold</b>"


@pytest.fixture
def browser() -> str:
    found = find_browser()
    if found is None:
        pytest.skip(NONE_FOUND)
    return found


async def test_the_browser_shows_the_report_and_runs_nothing(browser: str, tmp_path: Path) -> None:
    results = await made_up_run.results()
    answers = tuple(
        answer.model_copy(update={"answer": EVIL}) for answer in results.arms[0].answers
    )
    arm = results.arms[0].model_copy(update={"answers": answers})
    results = results.model_copy(update={"arms": (arm, *results.arms[1:])})
    view = replace(made_up_run.view(results), name="browser run")
    page = tmp_path / "report.html"
    page.write_text(render_report(view), encoding="utf-8")
    profile = tmp_path / "profile"
    profile.mkdir()
    document = dom(browser, page, profile)
    assert "<title>browser run · selfalign</title>" in document
    assert "taken over" not in document.split("</head>")[0]
    assert 'id="evil"' not in document
    assert document.count("<section") == 9
    # What changed comes before everything else.
    assert document.index('id="verdict"') < document.index("<nav>") < document.index("<main>")
    # HTML's own parser kept the charts whole, as SVG.
    charts = re.findall(r"<svg .*?</svg>", document, re.DOTALL)
    assert len(charts) == render_report(view).count("<svg ")
    assert any("620 of 1,800" in chart for chart in charts)
    cards = re.findall(r'<div class="answer (\w+)">', document)
    assert cards[:5] == ["base_constitution", "base", "base_own", "engraved", "final"]
    assert EVIL in unescape(document)
