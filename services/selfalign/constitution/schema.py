"""The constitution's schema: principles, exemplars, and the wording of every turn.

Texts are stored without surrounding white space; the renderer alone puts texts together.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Self

from pydantic import Field, StrictInt, StringConstraints, model_validator

from selfalign.constitution.declining_schema import DecliningRule, problems
from selfalign.settings.section import Section

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Line = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True, pattern=r"^[^\r\n]*$")]
RuleName = Annotated[
    str, StringConstraints(min_length=1, strip_whitespace=True, pattern=r"^[^()\r\n]*$")
]
RuleId = Annotated[StrictInt, Field(ge=1, le=999)]
RULES_PLACE = "{rules}"


class Principle(Section):
    """One rule: `id (name). text`."""

    id: RuleId
    name: RuleName
    text: Line


class Turn(Section):
    """A user's turn with the thoughts and the answer that demonstrate some rules."""

    user: Text
    input: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    """Further material of the user's turn, after a blank line."""
    analysis: Line
    """The thoughts between the opening sentence and the rules sentence."""
    rules: Annotated[tuple[RuleId, ...], Field(min_length=1)]
    answer: Text


class Exemplar(Section):
    """A short conversation; afterwards the user clears the context and `auto_reply` follows."""

    turns: Annotated[tuple[Turn, ...], Field(min_length=1)]
    auto_reply: Text


class Wording(Section):
    """The fixed texts of the in-context prompt, in the order in which they appear."""

    title: Line
    rules_heading: Line
    rules_intro: Text
    examples_heading: Line
    examples_intro: Text
    user_header: Line
    thoughts_header: Line
    opening: Line
    """The sentence that begins all internal thoughts."""
    rules_sentence: Line
    """Ends all internal thoughts; {rules} stands for e.g. `3 (helpful), 7 (candor)`."""
    answer_header: Line
    clear_context: Text
    """What the user says between two exemplars."""
    auto_reply_header: Line

    @model_validator(mode="after")
    def _rules_have_a_place(self) -> Self:
        if self.rules_sentence.count(RULES_PLACE) != 1:
            raise ValueError(
                f"rules_sentence: {self.rules_sentence!r} must contain {RULES_PLACE} exactly once"
            )
        if not self.rules_lead:
            raise ValueError(f"rules_sentence: needs words before {RULES_PLACE}")
        return self

    @property
    def rules_lead(self) -> str:
        """The rules sentence up to the first rule, without the space before it."""
        return self.rules_sentence.split(RULES_PLACE)[0].rstrip()


class StudentTurn(Section):
    """A turn of a student's meta prompt, mostly its introduction of itself."""

    user: Text
    answer: Text


class MetaPrompt(Section):
    """What stands before a student's conversation instead of the constitution."""

    overview: Text
    turns: tuple[StudentTurn, ...] = ()


class Student(Section):
    """Layout of the trained model's conversations (paper, sections 3.3 and 3.4)."""

    name: Line
    title: Line
    overview_heading: Line
    conversation_heading: Line
    user_heading: Line
    assistant_heading: Line
    verbose_heading: Line
    """Stands in place of assistant_heading in the verbose prompt, e.g. `### Name (extensive)`."""
    standard: MetaPrompt
    concise: MetaPrompt
    verbose: MetaPrompt


class Constitution(Section):
    """Everything that is said to a model about how it shall answer."""

    name: Line
    """The assistant's codename in the in-context prompt."""
    principles: Annotated[tuple[Principle, ...], Field(min_length=1)]
    exemplars: Annotated[tuple[Exemplar, ...], Field(min_length=1)]
    wording: Wording
    student: Student
    declining: tuple[DecliningRule, ...] = ()
    """Where requests are declined, and in which words; empty: nothing is taught about it."""

    @model_validator(mode="after")
    def _numbers_and_names_agree(self) -> Self:
        ids = [principle.id for principle in self.principles]
        found = [*self._duplicates(), *self._unknown_rules(), *problems(self.declining, ids)]
        if found:
            raise ValueError("\n  ".join(found))
        return self

    def turns(self) -> Iterator[tuple[str, Turn]]:
        """All turns of the exemplars, each with its place."""
        for index, exemplar in enumerate(self.exemplars):
            for number, turn in enumerate(exemplar.turns):
                yield f"exemplars[{index}].turns[{number}]", turn

    def _duplicates(self) -> Iterator[str]:
        ids: Iterable[int | str] = [principle.id for principle in self.principles]
        names: Iterable[int | str] = [principle.name.casefold() for principle in self.principles]
        for field, values in (("id", ids), ("name", names)):
            first: dict[int | str, int] = {}
            for index, value in enumerate(values):
                if value in first:
                    yield (
                        f"principles[{index}].{field}: {value!r} is taken by "
                        f"principles[{first[value]}]; give each principle its own"
                    )
                first.setdefault(value, index)

    def _unknown_rules(self) -> Iterator[str]:
        known = {principle.id for principle in self.principles}
        for place, turn in self.turns():
            for rule in turn.rules:
                if rule not in known:
                    yield (
                        f"{place}.rules: {rule} is no principle's id; expected one of "
                        f"{', '.join(map(str, sorted(known)))}"
                    )
            if len(set(turn.rules)) < len(turn.rules):
                yield f"{place}.rules: {list(turn.rules)} names a rule twice; name each once"
