"""`calls: chat` asks the question in the base model's own template, and `auto` knows when."""

import pytest

from selfalign.answering.answer_settings import AlignCalls
from selfalign.constitution.yaml_file import load_constitution
from selfalign.layout.template import TemplateLayout
from selfalign.principle_engine.align import Aligner
from selfalign.principle_engine.align_settings import PrincipleEngineSettings
from selfalign.storage.rows import PromptItem, RowStatus
from support.chat_templates import template
from support.scripted_engine import ScriptedEngine

C = load_constitution()
LAYOUT = TemplateLayout(C, template())
ITEM = PromptItem(prompt_id="abc", instruction="How do tides work?", input="In short.", seed=5)
ANSWER = (
    "The moon pulls at the sea on its side more than at the sea on the other, so that two bulges "
    "form, and the earth turns beneath them: most coasts see two high waters a day."
)
USER = "<|im_start|>user\nHow do tides work?\n\nIn short.<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("system", "before"),
    [
        ("", ""),
        ("Answer in two sentences. ", "<|im_start|>system\nAnswer in two sentences.<|im_end|>\n"),
    ],
    ids=["template's own", "given"],
)
async def test_chat_asks_in_the_template(system: str, before: str) -> None:
    engine = ScriptedEngine(lambda prompt, params, seed: f" {ANSWER}\n")
    settings = PrincipleEngineSettings(calls="chat", chat_system=system)
    aligner = Aligner(C, engine, settings, "base", layout=LAYOUT)
    row = await aligner.align(ITEM)
    assert [prompt for prompt, _, _ in engine.calls] == [before + USER]
    assert (row.status, row.answer, row.thoughts, row.rules) == (RowStatus.ACCEPTED, ANSWER, "", ())
    prefix, _ = aligner.longest(LAYOUT)
    assert prefix.startswith(before)
    assert system.strip() not in LAYOUT.student_prompt("How do tides work?") or not system


@pytest.mark.parametrize(
    ("calls", "layout", "prefix"),
    [("auto", LAYOUT, "<|im_start|>user"), ("auto", None, "# "), ("two", LAYOUT, "# ")],
)
async def test_auto_is_chat_where_there_is_a_template(
    calls: AlignCalls, layout: TemplateLayout | None, prefix: str
) -> None:
    engine = ScriptedEngine(lambda prompt, params, seed: "")
    await Aligner(C, engine, PrincipleEngineSettings(calls=calls), layout=layout).align(ITEM)
    assert engine.calls[0][0].startswith(prefix)
