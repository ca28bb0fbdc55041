"""The base of every section of settings, and the types that their fields share."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(gt=0.0)]
"""A time limit."""
NonEmpty = Annotated[str, Field(min_length=1)]
Port = Annotated[int, Field(ge=0, le=65535)]
"""0 lets the system pick a free one."""
Seed = Annotated[int, Field(ge=0, lt=2**31)]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^/\s]+(/\S*)?$")]


@dataclass(frozen=True, slots=True)
class Environment:
    """Annotates a field whose command-line option may come from an environment variable."""

    variable: str


class Section(BaseModel):
    """A group of settings: unknown keys are refused, values never change.

    The string below a field is its description, in JSON Schema, `--help` and the manual too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
