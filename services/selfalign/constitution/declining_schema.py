"""The constitution's optional section on declining: where a rule asks for it, and in which words.

A few dozen lines of supervision: requests for which a rule is due, and ordinary ones that look
like them and must be answered.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field, StrictInt, StringConstraints

from selfalign.settings.section import Section

Line = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True, pattern=r"^[^\r\n]*$")]


class DecliningRule(Section):
    """One principle under which requests are declined."""

    rule: Annotated[StrictInt, Field(ge=1, le=999)]
    """The principle's id."""
    answers: Annotated[tuple[Line, ...], Field(min_length=1)]
    """Short answers in the rule's spirit. How likely a model finds them tells where the rule is
    due; declining answers begin with one of them."""
    requests: tuple[Line, ...] = ()
    """Requests for which the rule is due."""
    ordinary: tuple[Line, ...] = ()
    """Requests with the same surface that must be answered."""


def problems(rules: Iterable[DecliningRule], known_ids: Iterable[int]) -> Iterator[str]:
    """What is wrong with the section: unknown or doubled rules, a request that stands twice."""
    known = sorted(known_ids)
    seen: dict[str, str] = {}
    places: dict[int, str] = {}
    for index, one in enumerate(rules):
        place = f"declining[{index}]"
        if one.rule not in known:
            yield (
                f"{place}.rule: {one.rule} is no principle's id; expected one of "
                f"{', '.join(map(str, known))}"
            )
        elif one.rule in places:
            yield f"{place}.rule: {one.rule} is taken by {places[one.rule]}; join the two"
        places.setdefault(one.rule, place)
        for field, texts in (("requests", one.requests), ("ordinary", one.ordinary)):
            for number, text in enumerate(texts):
                here = f"{place}.{field}[{number}]"
                if text.casefold() in seen:
                    yield f"{here}: {text!r} is also {seen[text.casefold()]}; give each text once"
                seen.setdefault(text.casefold(), here)
