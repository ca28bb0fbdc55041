"""Settings of the fit: does a topic belong to its question type, an instruction to its topic?"""

from selfalign.settings.section import Section


class FitSettings(Section):
    """Whether what was written belongs to what it was written for; as published, nobody asks. Needs
    an engine with log-probabilities of prompts: without, nothing is rejected and rows say so."""

    min_ratio: float | None = None
    """Smallest likelihood ratio, in nats a token. Of a topic: mean log p after its question type
    less that after none. Of an instruction: mean log p of its topic after it, less that after
    none. Without a value nothing is scored."""
