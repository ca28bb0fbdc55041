"""The student's text: the published layout, or the tokenizer's chat template."""

from typing import Protocol

from jinja2 import TemplateError

from selfalign.errors import ConfigError
from selfalign.storage.rows import content_hash
from selfalign_training.configuration.training_config import LayoutConfig
from selfalign_training.data.accepted_rows import Source
from selfalign_training.data.tokenizer import Tokenizer


class Layout(Protocol):
    """How a row becomes text."""

    adds_special_tokens: bool
    """Whether the tokenizer puts its own begin token before the text."""

    def render(self, source: Source) -> tuple[str, str]:
        """The prompt, and the completion that the loss falls on."""
        ...


class HeaderLayout:
    """The paper's: meta prompt, query and answer under headers, ended by the end marker."""

    adds_special_tokens = True

    def __init__(self, layout: LayoutConfig) -> None:
        self._layout = layout

    def render(self, source: Source) -> tuple[str, str]:
        """A truncated answer does not end by itself, so it has no end marker."""
        meta = draw_meta_prompt(source, self._layout)
        prompt = f"{meta}\n{query_text(source)}{self._layout.assistant_header}"
        return prompt, source.answer + (self._layout.end_marker if source.complete else "")


class ChatLayout:
    """The tokenizer's template: the meta prompt is the system's message."""

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
        self.render(Source("probe", "A question?", "", "An answer.", complete=True))

    def render(self, source: Source) -> tuple[str, str]:
        """The template's end of turn is learned with a complete answer, white space behind it not.

        Raises ConfigError if the text with the answer does not start with the text before it.
        """
        messages = [
            {"role": "system", "content": draw_meta_prompt(source, self._layout)},
            {"role": "user", "content": query_text(source)},
        ]
        prompt = self._apply(messages, add_generation_prompt=True)
        if not source.complete:
            return prompt, source.answer
        answered = [*messages, {"role": "assistant", "content": source.answer}]
        text = self._apply(answered, add_generation_prompt=False)
        if not text.startswith(prompt):
            raise ConfigError(
                "layout.chat_template: the template's text with the answer does not start with its "
                f"text before the answer (row {source.prompt_id}), so that the loss could not fall "
                "on the answer alone; use the headers of the published layout"
            )
        return prompt, text[len(prompt) :].rstrip()

    def _apply(self, messages: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
        try:
            text = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        except TemplateError as error:
            raise ConfigError(
                f"layout.chat_template: the tokenizer's template refuses system, user and "
                f"assistant messages: {error}; use the headers of the published layout"
            ) from error
        return str(text)


def make_layout(layout: LayoutConfig, tokenizer: Tokenizer) -> Layout:
    """The layout that the configuration asks for. Raises ConfigError, see ChatLayout."""
    return ChatLayout(layout, tokenizer) if layout.chat_template else HeaderLayout(layout)


def draw_meta_prompt(source: Source, layout: LayoutConfig) -> str:
    """One of the meta prompts, by the hash of the prompt id alone: context distillation."""
    draw = int(content_hash("meta", source.prompt_id), 16) % len(layout.meta_prompts)
    return layout.meta_prompts[draw].strip()


def query_text(source: Source) -> str:
    """Instruction and input as the paper joins them."""
    return f"{source.instruction}\n\n{source.input}" if source.input else source.instruction
