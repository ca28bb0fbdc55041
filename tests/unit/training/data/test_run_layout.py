"""What the training job lays out is, byte for byte, what the run asks its students with."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from transformers import AutoTokenizer

from selfalign.constitution.yaml_file import load_constitution
from selfalign.layout.build import make_layout
from selfalign.layout.tokenizer_files import find_chat_template
from selfalign_training.configuration.training_config import LayoutConfig
from selfalign_training.data.layout import make_layout as make_training_layout
from selfalign_training.data.source import Source
from support.chat_templates import BRACKETS, DROPS_SYSTEM, SPECIAL

C = load_constitution()
SOURCES = [
    Source("a", "What is rain?", "", "Water that falls.", complete=True),
    Source("b", " Name a river. ", "In {Asia}.\n", "The Ob.", complete=False),
    Source("c", "What is <rain> & 'snow'?", "", " Water.\n", complete=True),
]
SHAPES = {"its own": None, "no system": BRACKETS, "drops": DROPS_SYSTEM}


@pytest.mark.model
@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES.keys())
def test_the_run_and_its_training_have_one_layout(
    small_model: Path, tmp_path: Path, text: str | None
) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (tmp_path / name).write_bytes((small_model / name).read_bytes())
    if text is not None:
        (tmp_path / "chat_template.jinja").write_text(text)
    tokenizer = cast(Any, AutoTokenizer).from_pretrained(tmp_path)
    template = find_chat_template(lambda name: _text(tmp_path / name), "m")
    assert template is not None
    assert {name: template.special_tokens[name] for name in SPECIAL} == SPECIAL
    run = make_layout(C, template)
    wiring = json.loads(json.dumps(run.training(1)))
    training = make_training_layout(LayoutConfig.model_validate(wiring), tokenizer)
    for source in SOURCES:
        prompt, completion = training.render(source)
        assert prompt == run.student_prompt(source.instruction, source.input)
        if source.complete:
            assert completion.endswith(template.end_tokens)
    assert run.stops == ()


@pytest.mark.model
def test_context_distillation_draws_what_the_run_can_ask_with(small_model: Path) -> None:
    template = find_chat_template(lambda name: _text(small_model / name), "m")
    run = make_layout(C, template)
    tokenizer = cast(Any, AutoTokenizer).from_pretrained(small_model)
    training = make_training_layout(LayoutConfig.model_validate(run.training(None)), tokenizer)
    drawn = {training.render(Source(str(n), "Why?", "", "So.", True))[0] for n in range(20)}
    assert drawn == {run.student_prompt("Why?"), run.student_prompt("Why?", meta="concise")}


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
