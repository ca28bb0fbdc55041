"""The base model's own chat template for the evaluation, or the reason why there is none."""

import json
from pathlib import Path

import pytest

from selfalign.layout.template import TemplateLayout
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.layout import own_layout
from selfalign.pipeline.run.run_file import parse_run_config

TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
DROPS_THE_USER = "{% if add_generation_prompt %}<assistant>{% else %}<assistant>x</s>{% endif %}"


def config(folder: Path, template: str | None, layout: str = "headers") -> RunConfig:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>"}))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    text = f"name: one\nstore: {folder}\nmodel: {{base: {folder}}}\nlayout: {layout}\n"
    return parse_run_config(text, "test")


@pytest.mark.parametrize("layout", ["headers", "auto"])
def test_a_template_is_found_whatever_the_run_s_layout(tmp_path: Path, layout: str) -> None:
    found = own_layout(config(tmp_path / "m", TEMPLATE, layout))
    assert isinstance(found, TemplateLayout)
    assert found.own_prompt("Why?", "Rain.") == "<user>Why?\n\nRain.</s><assistant>"
    assert found.stops == ()


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (None, "has no chat template"),
        ("{% for %}", "is not valid Jinja"),
        (DROPS_THE_USER, "leaves out the user's message"),
    ],
)
def test_why_there_is_none_is_said(tmp_path: Path, template: str | None, reason: str) -> None:
    found = own_layout(config(tmp_path / "m", template))
    assert isinstance(found, str)
    assert reason in found


def test_a_model_that_is_somewhere_else_is_named(tmp_path: Path) -> None:
    # A folder of the engine's image: there, and not here.
    text = f"name: one\nstore: {tmp_path}\nmodel: {{base: /nowhere/model}}\n"
    found = own_layout(parse_run_config(text, "test"))
    assert isinstance(found, str)
    assert "/nowhere/model" in found
    assert "cannot be looked into" in found
