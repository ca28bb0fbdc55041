"""Settings of the principle-engine; the defaults are the paper's."""

from typing import Annotated, Literal

from pydantic import Field

from selfalign.answering.answer_settings import AlignCalls, AnswerSampling
from selfalign.answering.declining_settings import DecliningSettings
from selfalign.answering.selection_settings import SelectionSettings
from selfalign.filters.form_settings import FormFilterSettings, Preset
from selfalign.settings.sampling import NewTokens, Temperature, TopP
from selfalign.settings.section import Count, NonEmpty, PositiveInt, Seconds, Section, Share


class OverlapSettings(Section):
    """How much of an answer may come word for word from another text."""

    enabled: bool = True
    """Whether the filter runs."""
    ngram: Annotated[int, Field(ge=2, le=12)] = 5
    """Words that must match in a row to count."""
    max_share: Share = 0.3
    """Share of the answer's n-grams."""
    max_run: Annotated[int, Field(ge=2)] = 16
    """Words in a row."""


class ThoughtsOverlapSettings(OverlapSettings):
    """The same against the thoughts, which are short: stricter, and off by default."""

    enabled: bool = False
    """Whether the filter runs."""
    ngram: Annotated[int, Field(ge=2, le=12)] = 3
    """Words that must match in a row to count."""
    max_share: Share = 0.4
    """Share of the answer's n-grams."""
    max_run: Annotated[int, Field(ge=2)] = 10
    """Words in a row."""


class AlignFilterSettings(FormFilterSettings):
    """The post-filters of stage 2."""

    preset: Preset = "ours"
    """`published` decides as the authors' script does; the other settings then do not apply."""
    require_opening: bool = True
    """Reject completions whose thoughts lack the opening sentence."""
    truncated: Literal["reject", "keep"] = "reject"
    """Answers that the token limit ended. Kept ones lose their last word and have no end marker
    (as published)."""
    turn_markers: bool = True
    """Reject answers in which a line begins with a turn's header."""
    exemplar_overlap: OverlapSettings = OverlapSettings()
    """Leaks of the exemplars, in place of the published list of words."""
    thoughts_overlap: ThoughtsOverlapSettings = ThoughtsOverlapSettings()
    """Strict leak filter: answers that restate the thoughts. Small models need it."""
    refusals: Literal["reject", "keep", "due"] = "reject"
    """`reject` drops answers that begin with an apology (as published). `due` drops answers that
    decline where no rule is due (`declined`), and answers that comply where one is (`complied`)."""
    refusal_openings: tuple[NonEmpty, ...] = ("I'm sorry", "I am sorry", "Sorry,")
    """What an apology begins with."""
    min_chars: Count = 148
    """Of the answer: the published 160 less the end marker. Truncated ones may be shorter."""
    require_rule_agreement: bool = False
    """Reject thoughts in which a rule's number and name disagree; otherwise it is only reported."""


class AlignSampling(AnswerSampling):
    """The paper's sampling of aligned answers (appendix D.2)."""

    max_new_tokens: NewTokens = 256
    temperature: Temperature = 0.5
    top_p: TopP = 0.9


class PrincipleEngineSettings(Section):
    """How prompts are answered under the constitution (paper, appendix D.2)."""

    calls: AlignCalls = "one"
    """Calls for one answer. `two` is for small models, which lose the thread in one. `chat` asks a
    chat model the bare question in its own template, without thoughts: the principles act through
    `selection`, `declining` and the filters alone. `auto` is `chat` where the run's layout is a
    chat template, else `two`."""
    chat_system: str = ""
    """What the system says with `chat`: the principles in the few words that a small model follows.
    The student never sees it, as it never sees the constitution. Without it the template's own."""
    sampling: AlignSampling = AlignSampling()
    """Of thoughts and answer together; with two calls of the answer alone."""
    thoughts_tokens: PositiveInt = 64
    """Length limit of the thoughts, with two calls."""
    opening_given: bool = False
    """Give the opening sentence to the model, with two calls: small ones forget it."""
    answer_lead: str = ""
    """First words of every answer, given to the model; with two calls."""
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    """Further tries with new seeds for a prompt whose answer is rejected."""
    selection: SelectionSettings = SelectionSettings()
    declining: DecliningSettings = DecliningSettings()
    filters: AlignFilterSettings = AlignFilterSettings()
    longest_query_tokens: PositiveInt = 96
    """Longest prompt that the start-up check must find room for; longer ones may still fit."""
    deadline_s: Seconds = 900.0
    """For each call of the engine, waiting for room included."""
    max_in_flight: Annotated[int, Field(ge=1, le=4096)] = 128
    """Prompts of one stream that are worked on at once."""
