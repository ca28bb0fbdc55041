"""The base of every section of settings, and the types that their fields share."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_VARIABLE = re.compile(r"\$\{(\w+)\}")
PositiveInt = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(gt=0.0)]
"""A time limit."""
NonEmpty = Annotated[str, Field(min_length=1)]
Port = Annotated[int, Field(ge=0, le=65535)]
"""0 lets the system pick a free one."""
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def checked_address(text: str) -> str:
    """A place's name as it is.

    Raises:
        ValueError: it holds a user or password, which logs, messages and stored settings would
            show; or a variable of the environment that is not set, which would be taken for a name.
    """
    authority = text.partition("://")[2].partition("/")[0]
    if "@" in authority:
        raise ValueError(
            "the address holds a user name or password, which would be stored and shown; expected "
            "scheme://host, and the secret in an environment variable"
        )
    unset = _VARIABLE.search(text)
    if unset:
        raise ValueError(f"the environment variable {unset[1]} is not set")
    return text


Address = Annotated[str, Field(min_length=1), AfterValidator(checked_address)]
"""A folder, a URL or a name of another place."""
HttpUrl = Annotated[
    str, Field(pattern=r"^https?://[^/\s]+(/\S*)?$"), AfterValidator(checked_address)
]


@dataclass(frozen=True, slots=True)
class Environment:
    """Annotates a field whose command-line option may come from an environment variable."""

    variable: str


class Section(BaseModel):
    """A group of settings: unknown keys are refused, values never change.

    The string below a field is its description, in JSON Schema, `--help` and the manual too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
