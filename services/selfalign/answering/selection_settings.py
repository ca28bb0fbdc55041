"""Settings of the choice among several answers to one prompt; shared by align and refine."""

from typing import Annotated

from pydantic import Field

from selfalign.settings.sampling import Temperature, TopP
from selfalign.settings.section import PositiveInt, Section, Share


class SelectionSettings(Section):
    """Best of n: the answer that its question makes likeliest, of those that pass all filters."""

    candidates: Annotated[PositiveInt, Field(le=64)] = 1
    """Answers that are sampled for each try; 1 takes what comes, as published."""
    temperature: Temperature | None = None
    """Of the candidates, where it is not that of `sampling`."""
    top_p: TopP | None = None
    """The same for top_p."""
    min_ratio: float | None = None
    """Reject answers whose likelihood ratio is smaller: mean log p of a token after the question
    less that after an empty one, in nats. Needs an engine with log-probabilities of prompts."""
    copied_share: Share = 1.0
    """Reject answers of which more of the runs of three words are the prompt's: copies are
    likely. 1 turns it off."""

    @property
    def scores(self) -> bool:
        """Whether answers are scored at all."""
        return self.candidates > 1 or self.min_ratio is not None
