"""Other people's text on a terminal: shown, and never obeyed."""

import re

_CONTROL = re.compile(
    # C0 without tab and line feed, delete, C1; marks that turn the direction of what follows.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def printable(text: str) -> str:
    """The text with every control character as its escape, as in `\\x1b[2J`.

    A terminal would take what a model wrote for commands: to write its clipboard, to change what
    was printed before. Windows' line ends become line feeds.
    """
    return _CONTROL.sub(_escape, text.replace("\r\n", "\n"))


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
