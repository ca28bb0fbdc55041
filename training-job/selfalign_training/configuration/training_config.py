"""The training job's configuration: the user's hyper-parameters, and what the pipeline wires."""

from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated

from pydantic import Field, JsonValue, TypeAdapter, model_validator

from selfalign.settings.section import NonEmpty, PositiveInt, Section
from selfalign.training_settings.end_of_turn import EndOfTurn
from selfalign.training_settings.hyperparameters import (
    Dtype,
    Epochs,
    Hyperparameters,
    LearningRate,
    MaxLength,
)

Prefix = Annotated[str, Field(min_length=1, pattern=r"^[^/].*[^/]$|^[^/]$")]

ANY_JSON: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


class DataConfig(Section):
    """Where the accepted rows lie: the table of a finished stage."""

    store: NonEmpty
    """The store of the rows: a folder, or s3://bucket/prefix."""
    stage_prefix: Prefix
    """The stage's folder in it, e.g. demo/align."""
    extra_rows: NonEmpty | None = None
    """Further rows: a JSONL file of {"instruction", "input", "answer"}, or a key of
    the store, where every node finds it. `input` may be left out; all answers are complete."""


class OutputConfig(Section):
    """Where adapter, merged weights, metrics and manifest go."""

    store: NonEmpty
    """The store of the output."""
    prefix: Prefix
    """The folder of the output in it, e.g. demo/engrave."""
    dtype: Dtype = "bf16"
    """Of the merged weights."""


class LayoutConfig(Section):
    """The student's text: strings come rendered from the constitution (paper, section 3.3).

    prompt = strip(meta) + "\\n" + instruction [+ "\\n\\n" + input] + assistant_header;
    completion = answer [+ the end of turn if the answer is complete].
    """

    meta_prompts: tuple[NonEmpty, ...] = Field(min_length=1)
    """One is drawn for each row by the hash of its prompt id: context distillation."""
    chat_template: bool = False
    """The tokenizer's chat template instead, the meta prompt as its system message; the headers
    and the end marker are then its own."""
    user_header: str = ""
    """Stands before the user's turn."""
    assistant_header: NonEmpty = ""
    """Stands before the assistant's turn."""
    end_marker: NonEmpty = ""
    """What follows an answer in the published layout: the header of the user's next turn."""
    end_of_turn: EndOfTurn = "token"
    """What ends a complete answer. token: the model's own, which engines stop at: the chat
    template's, or the tokenizer's EOS in place of the end marker. marker: no EOS is learned, as
    published; who asks the model then has to stop it at the end marker."""

    @model_validator(mode="after")
    def _has_headers(self) -> "LayoutConfig":
        missing = [name for name in ("assistant_header", "end_marker") if not getattr(self, name)]
        if missing and not self.chat_template:
            raise ValueError(
                f"{' and '.join(missing)} missing; give them, or set chat_template: true"
            )
        return self


class TrainingConfig(Hyperparameters):
    """Everything that one training job needs; see training-job/configs for whole files."""

    # Required here: of the file or of its preset.
    learning_rate: LearningRate
    """The highest learning rate of the schedule."""
    epochs: Epochs
    """Passes over the data."""
    global_batch_size: PositiveInt
    """Sequences of one optimizer step over all ranks; accumulation follows from it."""
    micro_batch_size: PositiveInt
    """Sequences that one rank computes at once."""
    max_length: MaxLength
    """Tokens of prompt and completion together; longer rows are dropped and counted."""

    base_model: NonEmpty
    """A folder of safetensors, or the id of a hub model."""
    data: DataConfig
    """What to train on."""
    output: OutputConfig
    """Where the result goes."""
    layout: LayoutConfig
    """How a row becomes text."""
    fingerprint: dict[str, JsonValue] = Field(default_factory=dict)
    """Passed through into the output's manifest."""
    work_dir: Path = Path("training-work")
    """Scratch: what lies here is looked at again after a restart, but only the store is needed."""

    @model_validator(mode="after")
    def _input_and_output_differ(self) -> "TrainingConfig":
        same_store = self.data.store == self.output.store
        if same_store and self.data.stage_prefix == self.output.prefix:
            raise ValueError(
                f"output.prefix {self.output.prefix!r} is the data's own stage; name another folder"
            )
        return self

    def canonical_json(self, *, without: AbstractSet[str]) -> str:
        """The settings as the text that digests are made of.

        Its order of fields never changes: checkpoints in the store are named after such a digest,
        and a job that goes on under a newer version has to find them.
        """
        values = self.model_dump(mode="json", exclude=set(without))
        if self.layout.end_of_turn == "marker":
            # As it was before there was a choice.
            del values["layout"]["end_of_turn"]
        first = ("preset", "base_model", "data", "output", "layout")
        order = [*(name for name in first if name in values), *values]
        # As pydantic writes JSON, so that a job of an earlier version keeps its name.
        return ANY_JSON.dump_json({name: values[name] for name in order}).decode()
