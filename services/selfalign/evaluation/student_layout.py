"""How a student is asked in the published layout, with the constitution's headers."""

from dataclasses import dataclass

from selfalign.constitution.render import render_student_prompt, student_stops
from selfalign.constitution.schema import Constitution


@dataclass(frozen=True, slots=True)
class HeadersAsked:
    """An AskedLayout."""

    constitution: Constitution

    @property
    def stops(self) -> tuple[str, ...]:
        """The next turn's heading."""
        return student_stops(self.constitution)

    def student_prompt(self, instruction: str, input: str = "") -> str:
        """Under the standard meta prompt."""
        return render_student_prompt(self.constitution, instruction, input)

    def own_prompt(self, instruction: str, input: str = "") -> str:
        """The same: this layout has no template of the base model's."""
        return self.student_prompt(instruction, input)
