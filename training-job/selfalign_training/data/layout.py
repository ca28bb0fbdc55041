"""The student's text: the published layout, or the tokenizer's chat template."""

from typing import Protocol

from jinja2 import TemplateError

from selfalign.errors import ConfigError
from selfalign.storage.rows import content_hash
from selfalign_training.configuration.training_config import LayoutConfig
from selfalign_training.data.end_of_turn import EndOfTurn, eos_of_turn, template_end_of_turn
from selfalign_training.data.source import Source
from selfalign_training.data.tokenizer import Tokenizer

GAP = "\n\n"


class Layout(Protocol):
    """How a row becomes text."""

    adds_special_tokens: bool
    """Whether the tokenizer puts its own begin token before the text."""
    end: EndOfTurn | None
    """How a complete answer ends; None: by the layout's text alone, as published."""

    def render(self, source: Source) -> tuple[str, str]:
        """The prompt, and the completion that the loss falls on."""
        ...


class HeaderLayout:
    """The paper's: meta prompt, query and answer under headers, ended by EOS or the end marker."""

    adds_special_tokens = True

    def __init__(self, layout: LayoutConfig, tokenizer: Tokenizer) -> None:
        """Raises ConfigError where answers are to end with an EOS token that is not there."""
        self._layout = layout
        self.end = eos_of_turn(tokenizer) if layout.end_of_turn == "token" else None

    def render(self, source: Source) -> tuple[str, str]:
        """A truncated answer does not end by itself, so it has no end of turn."""
        meta = draw_meta_prompt(source, self._layout)
        prompt = f"{meta}\n{query_text(source)}{self._layout.assistant_header}"
        end = self.end.added if self.end else self._layout.end_marker
        return prompt, source.answer + (end if source.complete else "")


class ChatLayout:
    """The tokenizer's template: the meta prompt is the system's message, where it has one."""

    adds_special_tokens = False

    def __init__(self, layout: LayoutConfig, tokenizer: Tokenizer) -> None:
        """Raises ConfigError if the tokenizer has no template, or one that does not fit."""
        if not tokenizer.chat_template:
            raise ConfigError(
                "layout.chat_template: true, but the base model's tokenizer has no chat template; "
                "name an instruction-tuned tokenizer, or give the headers of the published layout"
            )
        self._layout = layout
        self._tokenizer = tokenizer
        self._system_message = takes_system_message(tokenizer)
        answer = "An answer."
        _, answered = self._answered(Source("probe", "A question?", "", answer, complete=True))
        after = answered.partition(answer)[2]
        by_token = layout.end_of_turn == "token"
        self.end = template_end_of_turn(after, tokenizer) if by_token else None

    def render(self, source: Source) -> tuple[str, str]:
        """The template's end of turn is learned with a complete answer, what is behind it not.

        Raises ConfigError if the text with the answer does not start with the text before it.
        """
        if not source.complete:
            return self._apply(self._messages(source), add_generation_prompt=True), source.answer
        prompt, answered = self._answered(source)
        if self.end is None:
            return prompt, answered.rstrip()
        return prompt, answered.removesuffix(self.end.tail) + self.end.added

    def _answered(self, source: Source) -> tuple[str, str]:
        """The template's text before the answer, and from the answer on."""
        messages = self._messages(source)
        prompt = self._apply(messages, add_generation_prompt=True)
        reply = {"role": "assistant", "content": source.answer}
        text = self._apply([*messages, reply], add_generation_prompt=False)
        if not text.startswith(prompt):
            raise ConfigError(
                "layout.chat_template: the template's text with the answer does not start with its "
                f"text before the answer (row {source.prompt_id}), so that the loss could not fall "
                "on the answer alone; use the headers of the published layout"
            )
        return prompt, text[len(prompt) :]

    def _messages(self, source: Source) -> list[dict[str, str]]:
        meta, query = draw_meta_prompt(source, self._layout), query_text(source)
        if not self._system_message:
            return [{"role": "user", "content": f"{meta}{GAP}{query}"}]
        return [{"role": "system", "content": meta}, {"role": "user", "content": query}]

    def _apply(self, messages: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
        try:
            return apply(self._tokenizer, messages, add_generation_prompt=add_generation_prompt)
        except TemplateError as error:
            raise ConfigError(
                f"layout.chat_template: the tokenizer's template refuses the messages of user and "
                f"assistant: {error}; use the headers of the published layout"
            ) from error


def apply(
    tokenizer: Tokenizer, messages: list[dict[str, str]], *, add_generation_prompt: bool
) -> str:
    """The conversation as text. Raises TemplateError where the template refuses it."""
    text = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=add_generation_prompt
    )
    return str(text)


def takes_system_message(tokenizer: Tokenizer) -> bool:
    """Whether the template has a place for a system's message: neither refuses nor drops it.

    Where it has none, the meta prompt stands before the user's text, with a blank line between.
    """
    system = "Probe of the rules."
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": "Probe of a question?"},
    ]
    try:
        return system in apply(tokenizer, messages, add_generation_prompt=True)
    except TemplateError:
        return False


def make_layout(layout: LayoutConfig, tokenizer: Tokenizer) -> Layout:
    """The layout that the configuration asks for. Raises ConfigError, see ChatLayout."""
    kind = ChatLayout if layout.chat_template else HeaderLayout
    return kind(layout, tokenizer)


def draw_meta_prompt(source: Source, layout: LayoutConfig) -> str:
    """One of the meta prompts, by the hash of the prompt id alone: context distillation."""
    draw = int(content_hash("meta", source.prompt_id), 16) % len(layout.meta_prompts)
    return layout.meta_prompts[draw].strip()


def query_text(source: Source) -> str:
    """Instruction and input as the paper joins them, without the white space around them."""
    instruction, input = source.instruction.strip(), source.input.strip()
    return f"{instruction}{GAP}{input}" if input else instruction
