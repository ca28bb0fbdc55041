"""One probe: a prompt, and the scorer that reads its answers."""

from typing import Annotated

from pydantic import Field, SerializeAsAny

from selfalign.evaluation.probes.scorers.contract import Scorer
from selfalign.settings.section import NonEmpty, PositiveInt, Section


class Probe(Section):
    """A prompt of a file of probes; the keys of such a file are these fields."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$", max_length=80)]
    """Unique in the file: arms are paired by it."""
    kind: NonEmpty
    """What it is about; the report counts by kind."""
    principles: tuple[PositiveInt, ...] = ()
    """Ids of the constitution's principles that it is about, for the reader's information."""
    prompt: NonEmpty
    input: str = ""
    """Below the prompt, with a blank line between them."""
    scorer: NonEmpty
    """The scorer's name in the register."""
    expected: SerializeAsAny[Scorer]
    """What that scorer expects of the answer."""
