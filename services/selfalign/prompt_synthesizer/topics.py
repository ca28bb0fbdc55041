"""Topic brainstorming: rendering the prompt, parsing the list (paper appendix G)."""

import random
import re
from collections.abc import Sequence

from selfalign.filters.rejection import Rejection
from selfalign.prompt_synthesizer.candidates import Candidate, Reason, shorten
from selfalign.prompt_synthesizer.prompt_filters import check_topic
from selfalign.prompt_synthesizer.prompt_templates import PromptTemplates, fill
from selfalign.prompt_synthesizer.synthesizer_settings import TopicSettings

NUMBER = re.compile(r"^\s*\d+\.\s+")


def shown_topics(known: Sequence[str], settings: TopicSettings, seed: int) -> list[str]:
    """The known topics that start the list: few known ones give one example only."""
    count = settings.examples if len(known) >= 2 * settings.examples else 1
    return random.Random(seed).sample(list(known), min(count, len(known)))


def render_topics(
    templates: PromptTemplates, question_type: str, shown: Sequence[str], settings: TopicSettings
) -> str:
    """The prompt: the model goes on with the next number of the list."""
    text = fill(templates.topics, question_type=question_type, count=str(settings.listed))
    lines = [f"{number}. {topic}\n" for number, topic in enumerate(shown, 1)]
    return f"{text}\n\n{''.join(lines)}"


def parse_topics(completion: str, *, cut: bool, settings: TopicSettings) -> list[Candidate]:
    """A candidate for each line that is not blank, up to max_lines of them.

    Args:
        cut: The token limit ended the completion, so that its last line may be half a topic.
    """
    lines = [line for line in completion.split("\n") if line.strip()]
    candidates = [_parse_line(line, settings.max_words) for line in lines[: settings.max_lines]]
    if cut and candidates and len(lines) <= settings.max_lines and not completion.endswith("\n"):
        last = candidates[-1]
        rejection = Rejection(Reason.TRUNCATED, "the token limit ended this line")
        candidates[-1] = Candidate(last.raw, last.text, rejection=rejection)
    return candidates


def _parse_line(line: str, max_words: int) -> Candidate:
    number = NUMBER.match(line)
    if not number:
        rejection = Rejection(Reason.BAD_TOPIC_FORMAT, f"no number: {shorten(line.strip())}")
        return Candidate(line, line.strip(), rejection=rejection)
    topic = " ".join(line[number.end() :].split())
    return Candidate(line, topic, rejection=check_topic(topic, max_words))
