"""Settings of the stages `topics` and `prompts`: how many prompts, and of which sources."""

import math
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from selfalign.prompt_files.fields import PromptFields
from selfalign.prompt_synthesizer.synthesizer_settings import FileFilterSettings
from selfalign.settings.section import Count, PositiveInt, Section, Share


class TopicsSettings(Section):
    """Stage `topics`."""

    count: Count = 3000
    """Accepted topics wanted over all question types, shared out evenly. A run without topic-guided
    prompts has none, unless it names a number; one with `prompts.max_per_topic` has as many more as
    its prompts need, unless it names a number."""
    max_completions: PositiveInt = 400
    """Completions that one question type may use before it gives up on its quota. Grows with a
    count that follows from the prompts, unless the run names a number."""


class PromptSources(Section):
    """Share of each source in the accepted prompts; together they are 1. Sources that a run file
    leaves out have none."""

    self_instruct: Share = 0.0
    """Modelled on the task seeds."""
    topic_guided: Share = 0.0
    """For the topics of stage `topics`."""
    template: Share = 0.0
    """The user's turn of the base model's chat template, as the model itself writes it. For chat
    models; needs `layout: chat_template`, or `auto` with a model that has a template."""
    request: Share = 0.0
    """The same turn, begun with the first words of the constitution's requests and look-alikes
    ("How do I poison a", "How do I shoot good"): `align` declines the former, answers the latter,
    and leaves out those whose likelihood says otherwise (`align.declining.request_quantile`,
    `look_alike_quantile`). None of them is held out. For chat models, as `template`."""
    file: Share = 0.0
    """The prompts of `prompts.file`."""

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        total = sum(self.shares().values())
        if not math.isclose(total, 1.0, abs_tol=1e-6):
            raise ValueError(f"the shares add up to {total:g}; expected 1")
        return self

    def shares(self) -> dict[str, float]:
        """Source -> its share."""
        return self.model_dump()


class PromptsSettings(Section):
    """Stage `prompts`."""

    count: PositiveInt = 360_000
    """Accepted prompts for training, without the held-out ones; exactly this number is kept."""
    sources: PromptSources = PromptSources(self_instruct=0.73, topic_guided=0.27)
    """Where the prompts come from (99,121 of 366,718 are topic-guided in the paper)."""
    file: Path | None = None
    """Prompts of your own: JSON lines, a Parquet file, or the folder of a Hugging Face data set
    (save_to_disk), here or a key of the run's store."""
    fields: PromptFields = PromptFields()
    file_filters: FileFilterSettings = FileFilterSettings()
    completions_per_unit: PositiveInt = 64
    """Completions, or topic hints, of one unit of work."""
    expected_per_completion: Annotated[float, Field(gt=0.0)] = 10.0
    """Candidates that survive out of one self-instruct completion: sizes the first round."""
    expected_per_hint: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """The same for one topic hint."""
    expected_per_turn: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """The same for one user's turn of the chat template."""
    seed_tasks: bool = False
    """Answer the task seeds too, beside the prompts (source `seed`), as self-instruct's pool holds
    its seeds: tasks of many kinds, some with an input, for a student that otherwise sees questions
    above all. They are not counted, and none is held out."""
    request_openings: Share = 0.0
    """Share of the chat template's turns that are begun as the constitution's requests are, where
    ordinary ones begin so too ("How do I", "Tell me how"): the model goes on with something
    ordinary. The student then does not take these words for a sign that declining is due."""
    max_rounds: PositiveInt = 6
    """Rounds of generation before the stage gives up on `count`."""
    rouge_threshold: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """Prompts whose ROUGE-L F-measure with a kept one exceeds this are duplicates."""
    opening_words: PositiveInt = 3
    """Words at the beginning of a prompt of the chat template that count as its opening."""
    max_opening_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.04
    """Most prompts with one opening, as a share of those that the chat template is to give (one at
    least); 1 sets no limit."""
    max_per_topic: PositiveInt | None = None
    """Most topic-guided prompts of one question type and topic (1 in the paper); without a value
    there is no limit."""

    @model_validator(mode="after")
    def _file_has_its_share(self) -> Self:
        if self.file is None and self.sources.file:
            raise ValueError(f"sources.file is {self.sources.file:g}, but no file is named")
        if self.file is not None and not self.sources.file:
            raise ValueError(
                f"file is {str(self.file)!r}, but sources.file is 0; give it its share, for "
                "instance sources: {file: 1}"
            )
        return self
