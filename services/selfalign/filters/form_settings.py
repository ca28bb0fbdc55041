"""Settings of the filters of form: what an answer of any stage, or of the evaluation, must pass."""

from typing import Literal

from selfalign.filters.repeats import LoopSettings
from selfalign.settings.section import Count, NonEmpty, Section, Share

Preset = Literal["ours", "published"]
"""Whose filters decide: `ours` (the settings of the section), or `published`, the authors' own
decisions, word lists included (paper's code, stages 2 and 4), which no other setting changes."""


class FormFilterSettings(Section):
    """Filters that read an answer beside its prompt and the constitution's texts."""

    loops: LoopSettings = LoopSettings()
    unfinished: bool = True
    """Reject answers that end with a colon or a comma."""
    control_characters: bool = True
    """Reject answers with control characters other than tab and line ends."""
    header_leak: bool = True
    """Reject answers that hold a heading of the student's layout or the verbose name."""
    meta_leak_run: Count = 10
    """Reject answers with more words in a row of the verbose prompt's overview; 0 turns it
    off."""
    section_headings: tuple[NonEmpty, ...] = ("See also", "External links", "References")
    """Reject answers with such a heading: the model has slipped into an encyclopedia page."""
    exemplar_turn_run: Count = 8
    """Reject answers with this many words in a row of an exemplar's user turn or automatic reply,
    or with all of a shorter one; 0 turns it off."""
    repeated_parts: bool = True
    """Reject answers that say a paragraph or a list item of six words or more twice."""
    prompt_copy_share: Share = 0.6
    """Reject answers of which the instruction makes up more than this; 1 turns it off."""
    input_copy_share: Share = 0.6
    """Reject answers of which the input, unchanged, makes up more than this; 1 turns it off."""
    other_language: bool = True
    """Reject answers in another script or language than the prompt's, unless the prompt speaks of
    languages."""
    rules_cited: bool = True
    """Reject answers that cite a rule to the user, as in `according to principle 3`."""
    introductions: bool = True
    """Reject answers that begin by introducing the assistant, unless the prompt asks for it or the
    answer declines."""
    introduction_run: Count = 10
    """Reject answers with more words in a row of the student's self-introduction, unless the
    user's question is that turn's; 0 turns it off."""
    min_distinct: Share = 0.35
    """Reject answers with a smaller share of distinct runs of four words; 0 turns it off."""
