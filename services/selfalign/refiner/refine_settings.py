"""Settings of the refiner; the defaults are the paper's."""

from typing import Annotated, Literal

from pydantic import Field

from selfalign.answering.answer_settings import AnswerSampling
from selfalign.filters.repeats import LoopSettings
from selfalign.settings.sampling import NewTokens, RepetitionPenalty, Temperature, TopP
from selfalign.settings.section import Count, NonEmpty, PositiveInt, Seconds, Section, Share


class RefineFilterSettings(Section):
    """The post-filters of stage 4, in the order in which they run."""

    loops: LoopSettings = LoopSettings()
    truncated: Literal["reject", "keep"] = "reject"
    """Answers that the token limit ended. Kept ones lose their last word and have no end marker
    (as published)."""
    unfinished: bool = True
    """Reject answers that end with a colon or a comma."""
    header_leak: bool = True
    """Reject answers that hold a heading of the layout or the verbose name."""
    meta_leak_run: Count = 10
    """Reject answers with more words in a row of the verbose prompt's overview; 0 turns it
    off."""
    introduction_run: Count = 10
    """The same for the self-introduction, unless the user's question is that turn's; 0 turns it
    off."""
    section_headings: tuple[NonEmpty, ...] = ("See also", "External links", "References")
    """Reject answers with such a heading: the model has slipped into an encyclopedia page."""
    prompt_copy_share: Share = 0.6
    """Reject answers of which the instruction makes up more than this; 1 turns it off."""
    min_distinct: Share = 0.35
    """Reject answers with a smaller share of distinct runs of four words; 0 turns it off."""
    min_chars: Count = 0
    """Of answers that ended before the token limit."""
    min_chars_truncated: Count = 128
    """Of answers that the token limit ended (as published)."""


class RefineSampling(AnswerSampling):
    """The paper's sampling of verbose answers (appendix D.4)."""

    max_new_tokens: NewTokens = 512
    temperature: Temperature = 0.3
    top_p: TopP = 0.7
    repetition_penalty: RepetitionPenalty = 1.1
    """In place of the published penalties on repeated runs of three and four words, which
    inference engines do not offer; the loop filter sees to the rest."""


class RefinerSettings(Section):
    """How the engraved model answers under the verbose prompt (paper, appendix D.4)."""

    sampling: RefineSampling = RefineSampling()
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    """Further tries with new seeds for a prompt whose answer is rejected."""
    filters: RefineFilterSettings = RefineFilterSettings()
    longest_query_tokens: PositiveInt = 256
    """Longest prompt that the start-up check must find room for; longer ones may still fit."""
    deadline_s: Seconds = 900.0
    """For each call of the engine, waiting for room included."""
    max_in_flight: Annotated[int, Field(ge=1, le=4096)] = 128
    """Prompts of one stream that are worked on at once."""
