"""The contract of a layout: from instruction and input to the text that an engine is given."""

from typing import Literal, Protocol

from pydantic import JsonValue

from selfalign.constitution.render import Meta

LayoutChoice = Literal["auto", "chat_template", "headers"]


class Layout(Protocol):
    """How a run's student is asked and trained. Pure: equal arguments give equal bytes."""

    @property
    def stops(self) -> tuple[str, ...]:
        """Stop sequences. Empty where the turn ends with a token at which engines stop anyway."""
        ...

    def student_prompt(self, instruction: str, input: str = "", meta: Meta = "standard") -> str:
        """The whole prompt that the student is trained on and asked with (paper, section 3.3)."""
        ...

    def verbose_prompt(self, instruction: str, input: str = "") -> str:
        """The prompt of stage 4, which asks for a fuller answer (paper, section 3.4)."""
        ...

    def own_prompt(self, instruction: str, input: str = "", system: str = "") -> str:
        """The prompt as the base model's makers mean it: its template without our meta prompt,
        with `system` as the system's message where one is given.

        In the headers layout, which no base model knows, the same as `student_prompt`.
        """
        ...

    def training(self, meta_prompts: int | None) -> dict[str, JsonValue]:
        """The training job's `layout` section, with the first `meta_prompts` of the student's meta
        prompts, the standard one first; None: all."""
        ...
