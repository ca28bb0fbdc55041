"""When a request ends: TGI's reasons, in TGI's order."""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["length", "eos_token", "stop_sequence"]


@dataclass(slots=True)
class StopRule:
    """TGI's order: length, end-of-sequence token, then the stop strings."""

    max_new_tokens: int
    eos_token_ids: frozenset[int]
    stop: tuple[str, ...] = ()
    _count: int = 0
    _tail: str = ""

    def push(self, token: int, text: str) -> FinishReason | None:
        """Why the request ends with this token; None if it goes on.

        A stop string matches where the output ends with it (or with it and a newline, as TGI's
        pattern allows); one inside a token's text is not seen.
        """
        self._count += 1
        if self._count >= self.max_new_tokens:
            return "length"
        if token in self.eos_token_ids:
            return "eos_token"
        if self.stop:
            longest = max(map(len, self.stop)) + 1
            self._tail = (self._tail + text)[-max(longest, len(text)) :]
            ends = (self._tail, self._tail.removesuffix("\n"))
            if any(end.endswith(stop) for stop in self.stop for end in ends):
                return "stop_sequence"
        return None
