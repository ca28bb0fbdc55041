"""What the run prints last: its verdict, word for word, on terminals and in logs."""

import io
import json

import pytest
from rich.console import Console

from selfalign.cli.display import JsonDisplay, LiveDisplay
from selfalign.events import Verdict

WORSE = Verdict(stage="evaluate", text="Worse: On task [all] 80 % -> 40 % (p < .001)")


def test_a_terminal_shows_the_verdict_as_it_is() -> None:
    shown = io.StringIO()
    with LiveDisplay("demo", ["evaluate"], Console(file=shown, width=200)) as display:
        display.show(WORSE)
    assert WORSE.text in shown.getvalue()


def test_a_log_has_the_verdict_as_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    JsonDisplay().show(WORSE)
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["stage"], line["text"]) == ("verdict", "evaluate", WORSE.text)
