"""Penalties on runs of tokens that come again, as the authors' stage 4 has them."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class RepeatedRuns:
    """What one completion has said so far, by the runs that each token ended.

    The published sampler scans all runs again for every token of every row. Here a run's beginning
    leads to the tokens that came after it, so that a step looks up one entry for each length.
    """

    penalties: tuple[float, ...]
    """For runs of one token, of two, and so on."""
    word_starts: frozenset[int]
    """Tokens that may be penalised."""
    tokens: list[int] = field(default_factory=list)
    followers: dict[tuple[int, ...], Counter[int]] = field(default_factory=dict)
    """The beginning of a run, all but its last token -> how often each token ended it."""

    def push(self, token: int) -> None:
        """One more token of the completion."""
        self.tokens.append(token)
        for size, penalty in enumerate(self.penalties, 1):
            if penalty and len(self.tokens) >= size:
                beginning = tuple(self.tokens[-size:-1])
                self.followers.setdefault(beginning, Counter())[token] += 1

    def deductions(self) -> dict[int, float]:
        """Token -> what is taken off its score: the penalty of a run times its number so far."""
        found: dict[int, float] = {}
        said = len(self.tokens)
        for size, penalty in enumerate(self.penalties, 1):
            if not penalty or said < size - 1:
                continue
            beginning = tuple(self.tokens[said - size + 1 :])
            for token, count in self.followers.get(beginning, {}).items():
                if token in self.word_starts:
                    found[token] = found.get(token, 0.0) + penalty * count
        return found
