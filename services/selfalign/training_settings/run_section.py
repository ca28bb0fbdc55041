"""The sections `engrave` and `distill` of a run file: any of the hyper-parameters."""

from typing import Self

from pydantic import (
    JsonValue,
    ModelWrapValidatorHandler,
    PrivateAttr,
    model_serializer,
    model_validator,
)

from selfalign.settings.section import NonEmpty, Section
from selfalign.training_settings.hyperparameters import Hyperparameters

SET_BY_THE_PIPELINE = ("base_model", "fingerprint", "layout", "output", "work_dir")
"""What a training job needs beside its hyper-parameters, and a run file must not say."""


class OwnData(Section):
    """Your own rows beside the stage's; where those lie, the pipeline knows."""

    extra_rows: NonEmpty | None = None
    """A JSONL file of {"instruction", "input", "answer"}, here or a key of the run's store. `input`
    may be left out; all answers are complete."""


class TrainingSection(Hyperparameters):
    """Hyper-parameters of a run's training stage; the preset fills what is left out.

    It is written out again as it was given, without any default: fingerprints and stored run files
    hold these values and no others, also those of earlier versions.
    """

    data: OwnData = OwnData()
    """What to train on besides the accepted rows of the stage before."""

    _given: dict[str, JsonValue] = PrivateAttr(default_factory=dict)

    @property
    def given(self) -> dict[str, JsonValue]:
        """The settings that were given, as they were written."""
        return dict(self._given)

    @model_validator(mode="wrap")
    @classmethod
    def _leave_wiring_to_the_pipeline(
        cls, values: object, handler: ModelWrapValidatorHandler[Self]
    ) -> Self:
        if not isinstance(values, dict):
            return handler(values)
        clash = [name for name in SET_BY_THE_PIPELINE if name in values]
        if clash:
            raise ValueError(f"{', '.join(clash)} are set by the pipeline; remove them here")
        section = handler(values)
        section._given = dict(values)
        return section

    @model_serializer
    def _as_given(self) -> dict[str, JsonValue]:
        return self.given
