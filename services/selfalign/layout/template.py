"""The base model's own chat template as the student's layout."""

from dataclasses import dataclass

from pydantic import JsonValue

from selfalign.constitution.render import GAP, Meta, join_input
from selfalign.constitution.schema import Constitution
from selfalign.errors import ConfigError
from selfalign.layout.chat_template import ChatTemplate, Message

# Texts that no template holds.
PROBE_SYSTEM, PROBE_USER, PROBE_ANSWER = "Probe of the rules.", "Probe of a question?", "Probe."


class TemplateLayout:
    """See Layout for the contract.

    A meta prompt's overview is the system's message. Its turns, in which the assistant introduces
    itself, are left out: the shipped model's template gives the overview by default, and no
    conversation begins with turns that the user has not had.

    Where the template has no place for a system's message, it stands before the user's, with a
    blank line between.
    """

    def __init__(self, constitution: Constitution, template: ChatTemplate) -> None:
        """Raises ConfigError if the template cannot be used, see check_template."""
        self._c, self._template = constitution, template
        self.system_message = takes_system(template)
        """Whether the template has a place for a system's message."""
        self.end_of_turn = check_template(template, self.system_message)
        """What the template writes behind an answer, without white space at its end."""
        ends = self.end_of_turn.startswith(template.end_tokens)
        self.stops: tuple[str, ...] = () if ends else (self.end_of_turn,)

    def student_prompt(self, instruction: str, input: str = "", meta: Meta = "standard") -> str:
        s = self._c.student
        chosen = s.standard if meta == "standard" else s.concise
        return self._prompt(self.messages(chosen.overview, instruction, input))

    def verbose_prompt(self, instruction: str, input: str = "") -> str:
        return self._prompt(self.messages(self._c.student.verbose.overview, instruction, input))

    def own_prompt(self, instruction: str, input: str = "", system: str = "") -> str:
        if system.strip():
            return self._prompt(self.messages(system, instruction, input))
        return self._prompt([{"role": "user", "content": join_input(instruction, input)}])

    def messages(self, system: str, instruction: str, input: str) -> list[Message]:
        """The conversation up to the answer, with `system` where the template has room for it."""
        query = join_input(instruction, input)
        return conversation(system.strip(), query, system_message=self.system_message)

    def training(self, meta_prompts: int | None) -> dict[str, JsonValue]:
        s = self._c.student
        overviews: list[JsonValue] = [meta.overview for meta in (s.standard, s.concise)]
        return {"chat_template": True, "meta_prompts": overviews[:meta_prompts]}

    def _prompt(self, messages: list[Message]) -> str:
        return for_engine(
            self._template, self._template.render(messages, add_generation_prompt=True)
        )


def for_engine(template: ChatTemplate, text: str) -> str:
    """A rendered text as an engine is sent it, which may put the begin token there itself."""
    begin = template.special_tokens.get("bos_token", "")
    return text.removeprefix(begin) if template.adds_bos else text


@dataclass(frozen=True, slots=True)
class UserTurn:
    """The first turn of a conversation in a template, around the user's words: a model that goes on
    from `prefix` writes the user's turn."""

    prefix: str
    """What stands before the words, for an engine."""
    end: str
    """The stop sequence behind them; empty where a token stands there at which engines stop."""


def user_turn(template: ChatTemplate) -> UserTurn:
    """The user's turn of a template.

    Raises:
        ConfigError: the template refuses a user's message, leaves it out, or begins with it.
    """
    text = template.render([{"role": "user", "content": PROBE_USER}], add_generation_prompt=True)
    prefix, found, rest = text.partition(PROBE_USER)
    if not found:
        raise _unfit("leaves out the user's message")
    prefix, end = for_engine(template, prefix), rest.strip()
    if not prefix.strip():
        raise ConfigError(
            "chat_template: nothing stands before the user's message in the base model's chat "
            "template, so that the model cannot be asked for one; set prompts.sources.template: 0"
        )
    return UserTurn(prefix, "" if end.startswith(template.end_tokens) else end.partition("\n")[0])


def conversation(system: str, query: str, *, system_message: bool) -> list[Message]:
    """System's and user's message; or one of the user's with both texts in it."""
    if system_message:
        return [{"role": "system", "content": system}, {"role": "user", "content": query}]
    return [{"role": "user", "content": f"{system}{GAP}{query}"}]


def takes_system(template: ChatTemplate) -> bool:
    """Whether the template renders a system's message, and neither refuses nor drops it."""
    messages = conversation(PROBE_SYSTEM, PROBE_USER, system_message=True)
    try:
        text = template.render(messages, add_generation_prompt=True)
    except ConfigError:
        return False
    return PROBE_SYSTEM in text


def check_template(template: ChatTemplate, system_message: bool) -> str:
    """What the template writes behind an answer.

    Raises:
        ConfigError: the template is no Jinja, raises, drops the user's message, changes what
            stands before an answer once the answer is there, or does not end the answer.
    """
    messages = conversation(PROBE_SYSTEM, PROBE_USER, system_message=system_message)
    prompt = template.render(messages, add_generation_prompt=True)
    answered = [*messages, {"role": "assistant", "content": PROBE_ANSWER}]
    text = template.render(answered, add_generation_prompt=False)
    if PROBE_USER not in prompt:
        raise _unfit("leaves out the user's message")
    if not text.startswith(prompt):
        raise _unfit(
            "renders a conversation with its answer otherwise than the prompt before the answer, "
            "so that no loss could fall on the answer alone"
        )
    before, found, end = text[len(prompt) :].partition(PROBE_ANSWER)
    if not found or before.strip():
        raise _unfit("changes the assistant's answer")
    if not end.strip():
        raise _unfit("does not mark the end of the assistant's turn")
    return end.strip()


def _unfit(fault: str) -> ConfigError:
    return ConfigError(
        f"chat_template: the base model's chat template {fault}; mend it, or set layout: headers"
    )
