"""The wording of stage 1's prompts: the built-in prompts.yaml, or a file like it."""

import re
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from pydantic import model_validator

from selfalign.settings.documents import parse_mapping, read_text, validate
from selfalign.settings.section import Section


class PromptTemplates(Section):
    """Texts with named places in braces; nothing else in braces is touched."""

    places: ClassVar[dict[str, tuple[str, ...]]] = {
        "self_instruct": (),
        "topics": ("{question_type}",),
        "topic_guided": ("{hints}", "{instructions}"),
    }
    """What each text must contain; {count} is optional."""

    self_instruct: str
    topics: str
    topic_guided: str

    @model_validator(mode="after")
    def _has_its_places(self) -> "PromptTemplates":
        for name, places in self.places.items():
            for place in places:
                if place not in getattr(self, name):
                    raise ValueError(f"{name}: the text lacks {place}")
        return self


def fill(text: str, **values: str) -> str:
    """`text` with {name} replaced by each value; braces inside the values stay as they are."""
    places = "|".join(map(re.escape, values))
    return re.sub(rf"\{{({places})\}}", lambda place: values[place.group(1)], text)


def load_prompt_templates(path: Path | None = None) -> PromptTemplates:
    """The wording in `path`, or the built-in one.

    Raises:
        ConfigError: the file is missing, not UTF-8 or YAML, or lacks a text or a place in it.
    """
    text = read_text(path, "synthesizer.wording") if path else _built_in()
    origin = str(path or "prompts.yaml")
    return validate(PromptTemplates, parse_mapping(text, origin), origin)


def _built_in() -> str:
    return files("selfalign.prompt_synthesizer").joinpath("prompts.yaml").read_text("utf-8")
