"""The published layout: meta prompt, instruction and answer under headings (paper, 3.3)."""

from pydantic import JsonValue

from selfalign.constitution.render import (
    Meta,
    render_student_prompt,
    render_verbose_prompt,
    student_layout,
    student_stops,
)
from selfalign.constitution.schema import Constitution


class HeadersLayout:
    """See Layout for the contract."""

    def __init__(self, constitution: Constitution) -> None:
        self._c = constitution
        self.stops = student_stops(constitution)

    def student_prompt(self, instruction: str, input: str = "", meta: Meta = "standard") -> str:
        return render_student_prompt(self._c, instruction, input, meta)

    def verbose_prompt(self, instruction: str, input: str = "") -> str:
        return render_verbose_prompt(self._c, instruction, input)

    def own_prompt(self, instruction: str, input: str = "", system: str = "") -> str:
        return self.student_prompt(instruction, input)

    def training(self, meta_prompts: int | None) -> dict[str, JsonValue]:
        layout = student_layout(self._c)
        return {
            "meta_prompts": list(layout.meta_prompts[:meta_prompts]),
            "user_header": layout.user_header,
            "assistant_header": layout.assistant_header,
            "end_marker": layout.end_marker,
        }
