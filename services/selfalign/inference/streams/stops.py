"""Stop sequences in a text that arrives in pieces."""

from collections.abc import Sequence

from selfalign.inference.contract.normalize import cut_at_stop


class StopCutter:
    """Lets a text through up to its first stop sequence.

    What may be the beginning of a stop sequence is held back until it is known, so that all that
    comes out is exactly what `cut_at_stop` leaves of the whole text.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.stopped = False
        """A stop sequence was seen; nothing comes after it."""

    def feed(self, piece: str) -> str:
        """What can be shown now that `piece` is there."""
        text = self._held + piece
        kept, cut = cut_at_stop(text, self._stops)
        begun = self._earliest_beginning(text)
        if cut and len(kept) <= begun:
            self._held, self.stopped = "", True
            return kept
        self._held = text[begun:]
        return text[:begun]

    def flush(self) -> str:
        """What was held back, at the end of the text."""
        kept, cut = cut_at_stop(self._held, self._stops)
        self._held, self.stopped = "", self.stopped or cut
        return kept

    def _earliest_beginning(self, text: str) -> int:
        """Where the earliest stop sequence that may still be completed begins, or the end.

        A stop sequence that is there in full does not end the matter: an earlier and longer one
        may be on its way.
        """
        longest = max((len(stop) for stop in self._stops), default=1)
        for at in range(max(0, len(text) - longest + 1), len(text)):
            rest = text[at:]
            if any(len(stop) > len(rest) and stop.startswith(rest) for stop in self._stops):
                return at
        return len(text)
