"""Reads the published files of stage 1: three meta prompts, task seeds and topic seeds.

With the imported wording a run's prompts are those of the published scripts, byte for byte. The
files do not show all of them: the scripts fill in the places `{}` with lists that begin with a line
break, strip two of the texts, and keep the third one's line break at its end.
"""

from dataclasses import dataclass, fields
from pathlib import Path

from selfalign.errors import DataError
from selfalign.prompt_synthesizer.prompt_templates import PromptTemplates, fill
from selfalign.prompt_synthesizer.seeds import load_task_seeds, load_topic_seeds
from selfalign.settings.documents import read_text

PLACE = "{}"
NAMES = {
    "self_instruct": "self_instruct_prompt.txt",
    "topics": "tgrt_self_instruct_topic_brainstorm_prompt.txt",
    "topic_guided": "tgrt_self_instruct_question_generation_prompt.txt",
    "task_seeds": "self_instruct_seed_tasks.jsonl",
    "topic_seeds": "tgrt_self_instruct_seed_questions.jsonl",
}
"""What each file is called in the paper's repository, in its folder `prompts`."""


@dataclass(frozen=True, slots=True)
class PublishedFiles:
    """Where each file lies."""

    self_instruct: Path
    topics: Path
    topic_guided: Path
    task_seeds: Path
    topic_seeds: Path

    @classmethod
    def in_folder(cls, folder: Path, **elsewhere: Path | None) -> "PublishedFiles":
        """The files of a folder under their published names, but for those that lie elsewhere."""
        return cls(**{name: elsewhere.get(name) or folder / NAMES[name] for name in NAMES})


@dataclass(frozen=True, slots=True)
class PublishedWording:
    """What a run takes of the files."""

    templates: PromptTemplates
    task_seeds: str
    """JSON lines, as they are."""
    topic_seeds: str


def import_wording(published: PublishedFiles) -> PublishedWording:
    """The wording and the seeds of the published files.

    Raises:
        ConfigError: a file cannot be read or is not UTF-8.
        DataError: a text has not the places that the scripts fill, or a seed is wrong.
    """
    texts = {
        # The scripts read text files, where any line break is one character.
        field.name: read_text(getattr(published, field.name), field.name).replace("\r\n", "\n")
        for field in fields(PublishedFiles)
    }
    load_task_seeds(published.task_seeds)
    load_topic_seeds(published.topic_seeds)
    templates = PromptTemplates(
        self_instruct=_self_instruct(texts["self_instruct"], published.self_instruct),
        topics=_filled(texts["topics"].strip(), f"topics: {published.topics}", "{question_type}"),
        topic_guided=_filled(
            texts["topic_guided"].strip(),
            f"topic_guided: {published.topic_guided}",
            "\n{hints}",
            "\n{instructions}",
        ),
    )
    return PublishedWording(templates, texts["task_seeds"], texts["topic_seeds"])


def _self_instruct(text: str, path: Path) -> str:
    """The text as it is, which no script fills."""
    if not text.strip():
        raise DataError(f"self_instruct: {path}: is empty; expected the prompt of self-instruct")
    if PLACE in text:
        raise DataError(
            f"self_instruct: {path}: holds {PLACE}, as the prompts of topics and of topic-guided "
            f"instructions do; expected {NAMES['self_instruct']}"
        )
    if fill(text, count="") != text:
        raise DataError(f"self_instruct: {path}: holds {{count}}, which a run would fill in")
    return text


def _filled(text: str, origin: str, *places: str) -> str:
    """The text with our places instead of the published ones, in their order."""
    pieces = text.split(PLACE)
    if len(pieces) != len(places) + 1:
        raise DataError(
            f"{origin}: holds {PLACE} {len(pieces) - 1} times; expected {len(places)}: for "
            + ", then ".join(place.strip() for place in places)
        )
    if any(brace in piece for piece in pieces for brace in "{}"):
        raise DataError(f"{origin}: holds braces besides {PLACE}, which the scripts cannot fill")
    return "".join(piece + place for piece, place in zip(pieces, (*places, ""), strict=True))
