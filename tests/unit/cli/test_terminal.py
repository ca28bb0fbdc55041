"""What other people wrote does nothing to a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.cli.terminal import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\tcolumns\nand a line", "two\tcolumns\nand a line"),
        ("Windows\r\nlines", "Windows\nlines"),
        ("over\rwritten", "over\\x0dwritten"),
        ("\x1b]52;c;cm0gLXJm\x07", "\\x1b]52;c;cm0gLXJm\\x07"),
        ("C1 \x9b2J", "C1 \\x9b2J"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("caf\u00e9 \u65e5\u672c \U0001f600", "caf\u00e9 \u65e5\u672c \U0001f600"),
    ],
)
def test_control_characters_are_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert not set(printable(text)) & {"\x1b", "\x07", "\x00", "\r", "\x9b", "\u202e"}
