"""What a model is sent with the built-in wording and seeds, character by character.

With GOLDEN=write in the environment this test writes the files, after a change that is meant.
"""

import os
from pathlib import Path

import pytest

from selfalign.prompt_synthesizer.prompt_templates import load_prompt_templates
from selfalign.prompt_synthesizer.seeds import load_task_seeds, load_topic_seeds
from selfalign.prompt_synthesizer.self_instruct import render_self_instruct
from selfalign.prompt_synthesizer.synthesizer_settings import TopicSettings
from selfalign.prompt_synthesizer.topic_guided import Hint, render_topic_guided
from selfalign.prompt_synthesizer.topics import render_topics

GOLDEN = Path(__file__).parent / "golden"


def rendered() -> dict[str, str]:
    wording, seeds = load_prompt_templates(), load_topic_seeds()
    hints = [Hint(seed.question_type, seed.topic) for seed in seeds[5:10]]
    return {
        "topics": render_topics(wording, seeds[0].question_type, ["Silk"], TopicSettings()),
        "self_instruct": render_self_instruct(wording, load_task_seeds()[:5], 20),
        "topic_guided_list": render_topic_guided(wording, seeds[:5], hints, lead=False),
        "topic_guided_line": render_topic_guided(wording, seeds[:5], hints[:1], lead=True),
    }


@pytest.mark.parametrize("name", rendered())
def test_rendered_prompts_are_the_golden_ones(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(rendered()[name], encoding="utf-8")
    assert rendered()[name] == path.read_text(encoding="utf-8")
