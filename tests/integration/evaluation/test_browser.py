"""The report in a real browser: what it shows, and that it asks nobody for anything."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from selfalign.evaluation.report import render_report
from support import made_up_run

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip
EVIL = "<script>document.title = 'taken over'</script><b id=evil>bold</b>"


@pytest.fixture
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    return found


def dom(browser: str, page: Path, folder: Path) -> str:
    """The page's document after loading, as the browser understands it."""
    # A browser started by a test must not look for the user's session.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("DBUS")}
    command = [browser, *FLAGS, f"--user-data-dir={folder}", "--dump-dom", page.as_uri()]
    done = subprocess.run(
        command, capture_output=True, timeout=100, check=True, env=environment, cwd=folder
    )
    return done.stdout.decode()


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
    assert document.count("<section") == 8
    # HTML's own parser kept the charts whole, as SVG.
    charts = re.findall(r"<svg .*?</svg>", document, re.DOTALL)
    assert len(charts) == render_report(view).count("<svg ")
    assert any("620 of 1,800" in chart for chart in charts)
    cards = re.findall(r'<div class="answer (\w+)">', document)
    assert cards[:4] == ["base_constitution", "base", "engraved", "final"]
    assert EVIL in unescape(document)
