"""The texts of the authors' exemplars that their filters of stage 2 look for.

The texts are theirs, so none stands here: each is known by its words' number and its digest, and is
found in a constitution that was imported from the published files. Under any other constitution
there is nothing to find, and no model has seen what could leak.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExemplarText:
    """A run of words in an answer of an exemplar."""

    words: int
    digest: str
    """The first 16 digits of SHA-256."""

    def find(self, answers: Iterable[str]) -> str:
        """The text, from the first of the answers that holds it; empty where none does."""
        for answer in answers:
            parts = answer.split(" ")
            for start in range(len(parts) - self.words + 1):
                text = " ".join(parts[start : start + self.words])
                if hashlib.sha256(text.encode()).hexdigest()[:16] == self.digest:
                    return text
        return ""


LEAKING = (
    # The question that asks back after the private person.
    ExemplarText(16, "d890999961ac8c1a"),
    # A piece of advice on where to learn of the weather.
    ExemplarText(9, "6fc8604735d624bc"),
)
"""What an answer is dropped for."""
SOURCE_LEAD = ExemplarText(7, "03960a98d75bcade")
"""How the answer on the alpaca's family begins; an answer that begins so loses all of it but the
last word."""


def leaking_texts(answers: Iterable[str]) -> tuple[str, ...]:
    """The texts of `LEAKING` that stand in the exemplars' answers."""
    known = tuple(answers)
    return tuple(filter(None, (text.find(known) for text in LEAKING)))
