"""What the run prints last: its verdict, word for word, on terminals and in logs."""

import io
import json

import pytest
from rich.console import Console

from selfalign.cli.display import JsonDisplay, LiveDisplay
from selfalign.events import Event, Note, ResultPlace, Verdict

WORSE = Verdict(stage="evaluate", text="Worse: On task [all] 80 % -> 40 % (p < .001)")


def test_a_terminal_shows_the_verdict_as_it_is() -> None:
    shown = io.StringIO()
    with LiveDisplay("demo", ["evaluate"], Console(file=shown, width=200)) as display:
        display.show(WORSE)
    assert WORSE.text in shown.getvalue()


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (ResultPlace(label="report", path="s3://a[/b]/report.html"), "s3://a[/b]/report.html"),
        (Note(stage="align", text="[/INST] and [red]"), "align: [/INST] and [red]"),
        (Note(stage="align", text="\x1b[2J"), "align: \\x1b[2J"),
    ],
)
def test_what_others_wrote_is_neither_mark_up_nor_a_command(event: Event, text: str) -> None:
    shown = io.StringIO()
    with LiveDisplay("demo", ["align"], Console(file=shown, width=200)) as display:
        display.show(event)
    assert text in shown.getvalue()


def test_a_log_has_the_verdict_as_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    JsonDisplay().show(WORSE)
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["stage"], line["text"]) == ("verdict", "evaluate", WORSE.text)
