"""Settings of the prompt-synthesizer. The defaults are the paper's (appendix D.2)."""

from pathlib import Path
from typing import Literal

from selfalign.prompt_synthesizer.fit_settings import FitSettings
from selfalign.settings.sampling import NewTokens, SamplingParams, Temperature, TopP
from selfalign.settings.section import NonEmpty, PositiveInt, Seconds, Section

# Things that a text model cannot see, hear or make (the published list).
BLACKLIST = (
    "image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps",
    "draw", "plot", "go to", "video", "audio", "music", "flowchart", "diagram",
)  # fmt: skip


class SynthesisSampling(SamplingParams):
    """The paper's sampling of topics and instructions (appendix D.2)."""

    max_new_tokens: NewTokens = 384
    temperature: Temperature = 1.0
    top_p: TopP = 0.98


class PromptFilterSettings(Section):
    """Which instructions are rejected at once; each check can be switched off."""

    min_words: PositiveInt = 4
    """Fewest words of an instruction."""
    max_words: PositiveInt | None = 150
    """Most words of an instruction; without a value there is no limit."""
    blacklist: tuple[str, ...] = BLACKLIST
    """Whole words or phrases, in any case, in the instruction or its input."""
    bad_first_character: bool = True
    """The instruction begins with punctuation."""
    non_ascii_start: bool = True
    """The instruction begins with a character outside ASCII."""
    echo: bool = True
    """The instruction repeats an example of its prompt, or the markers of the layout."""
    endings: tuple[NonEmpty, ...] = ()
    """What an instruction may end in; without any it may end in everything."""
    max_chars: PositiveInt | None = None
    """Most characters of instruction and input together; without a value there is no limit."""


class FileFilterSettings(PromptFilterSettings):
    """Filters of the prompts that a user brings."""

    echo: bool = False
    """The instruction holds the markers of a layout of ours: no model wrote it under one."""
    max_chars: PositiveInt | None = 6000
    """Most characters of instruction and input together; without a value there is no limit. Of a
    longer prompt the ledger keeps the beginning."""


class TemplateFilterSettings(PromptFilterSettings):
    """Filters of user's turns that a chat model wrote."""

    max_words: PositiveInt | None = 50
    """Most words of a turn; without a value there is no limit."""
    endings: tuple[NonEmpty, ...] = (".", "?", "!")
    """What a turn may end in; without any it may end in everything."""


InstructionLines = Literal["one_line", "as_written"]


class TopicSettings(Section):
    """Brainstorming topics for one question type."""

    sampling: SynthesisSampling = SynthesisSampling()
    examples: PositiveInt = 5
    """Known topics shown in a prompt; a single one while fewer than twice as many are known."""
    listed: PositiveInt = 10
    """Topics that the prompt asks for."""
    max_lines: PositiveInt = 20
    """Lines of a completion that are read."""
    max_words: PositiveInt = 3
    """Most words of a topic."""
    lookahead: PositiveInt = 4
    """Completions of one type under way at once: a prompt shows the topics that were known that
    many completions earlier."""
    fit: FitSettings = FitSettings()


class SelfInstructSettings(Section):
    """Instructions modelled on the task seeds."""

    sampling: SynthesisSampling = SynthesisSampling()
    seeds_per_prompt: PositiveInt = 5
    """Tasks shown as examples."""
    listed: PositiveInt = 20
    """Tasks that the prompt announces."""
    filters: PromptFilterSettings = PromptFilterSettings()


class TopicGuidedSettings(Section):
    """Instructions for given question types and topics."""

    sampling: SynthesisSampling = SynthesisSampling()
    layout: Literal["list", "line"] = "list"
    """`list` (paper): the model writes whole lines, for `new_hints` hints in one completion.
    `line`: one hint a completion, its line given up to "instruction:", stop at the newline; for
    models too small to copy hints."""
    seed_hints: PositiveInt = 5
    """Hints shown as examples, with their instructions."""
    new_hints: PositiveInt = 5
    """Hints in one completion; `line` always takes one."""
    filters: PromptFilterSettings = PromptFilterSettings(
        min_words=1, max_words=None, blacklist=(), bad_first_character=False, non_ascii_start=False
    )
    fit: FitSettings = FitSettings()


class TemplateSampling(SamplingParams):
    """Cooler than the other sources: at temperature 1 half of a small model's turns make sense."""

    max_new_tokens: NewTokens = 128
    temperature: Temperature = 0.8
    top_p: TopP = 0.95


class TemplateSettings(Section):
    """Instructions that a chat model writes as the user's turn of its own chat template."""

    sampling: TemplateSampling = TemplateSampling()
    filters: TemplateFilterSettings = TemplateFilterSettings()


class PromptSynthesizerSettings(Section):
    """All of stage 1."""

    topics: TopicSettings = TopicSettings()
    self_instruct: SelfInstructSettings = SelfInstructSettings()
    topic_guided: TopicGuidedSettings = TopicGuidedSettings()
    template: TemplateSettings = TemplateSettings()
    wording: Path | None = None
    """A prompts.yaml of your own; the built-in one by default."""
    instructions: InstructionLines = "one_line"
    """`one_line`: an instruction's line breaks and repeated spaces become single spaces, and a last
    colon goes. `as_written`: they stay, as published. Inputs keep their lines either way."""
    max_in_flight: PositiveInt = 64
    """Completions under way at once in one service, over all streams."""
    deadline_s: Seconds = 600.0
    """For one completion, waiting for room included."""
