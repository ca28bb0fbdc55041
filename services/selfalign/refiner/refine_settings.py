"""Settings of the refiner; the defaults are the paper's."""

from typing import Annotated, Literal

from pydantic import Field

from selfalign.answering.answer_settings import AnswerSampling
from selfalign.answering.declining_settings import DecliningSettings
from selfalign.answering.selection_settings import SelectionSettings
from selfalign.filters.form_settings import FormFilterSettings, Preset
from selfalign.settings.sampling import NewTokens, RepetitionPenalty, Temperature, TopP
from selfalign.settings.section import Count, PositiveInt, Seconds, Section


class RefineFilterSettings(FormFilterSettings):
    """The post-filters of stage 4."""

    preset: Preset = "ours"
    """`published` decides as the authors' script does; the other settings then do not apply."""
    truncated: Literal["reject", "keep"] = "reject"
    """Answers that the token limit ended. Kept ones lose their last word and have no end marker
    (as published)."""
    refusals: Literal["keep", "due"] = "keep"
    """`due` drops answers that decline where no rule is due (`declined`), and answers that comply
    where one is (`complied`)."""
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
    """In place of the published penalties on repeated runs of three and four tokens
    (`ngram_penalties`), which few engines offer; the loop filter sees to the rest."""


class RefinerSettings(Section):
    """How the engraved model answers under the verbose prompt (paper, appendix D.4)."""

    sampling: RefineSampling = RefineSampling()
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    """Further tries with new seeds for a prompt whose answer is rejected."""
    selection: SelectionSettings = SelectionSettings()
    declining: DecliningSettings = DecliningSettings()
    filters: RefineFilterSettings = RefineFilterSettings()
    longest_query_tokens: PositiveInt = 256
    """Longest prompt that the start-up check must find room for; longer ones may still fit."""
    deadline_s: Seconds = 900.0
    """For each call of the engine, waiting for room included."""
    max_in_flight: Annotated[int, Field(ge=1, le=4096)] = 128
    """Prompts of one stream that are worked on at once."""
