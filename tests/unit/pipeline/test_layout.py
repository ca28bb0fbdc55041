"""A run's layout: chosen once at its start, kept, part of what its stages depend on."""

import json
from pathlib import Path
from typing import Any

import pytest

from selfalign.errors import ConfigError, FingerprintMismatch
from selfalign.layout.headers import HeadersLayout
from selfalign.layout.template import TemplateLayout
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.layout import choose_layout, run_layout
from selfalign.pipeline.run.run import Run, dump_config, open_run
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.pipeline.runner.preflight import prepare
from selfalign.pipeline.stages import distill, engrave
from selfalign.storage.open import open_store
from support.chat_templates import CHATML, template


def save_model(folder: Path, text: str | None, **config: Any) -> str:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    if text is not None:
        (folder / "chat_template.jinja").write_text(text)
    return str(folder)


def config(tmp_path: Path, base: str, **changes: Any) -> RunConfig:
    values = {"name": "one", "store": f"{tmp_path}/store", "profile": "small", **changes}
    return parse_run_config(json.dumps({**values, "model": {"base": base}}), "run.yaml")


@pytest.fixture
def chatty(tmp_path: Path) -> str:
    return save_model(tmp_path / "chatty", CHATML, eos_token="<|im_end|>")


@pytest.fixture
def bare(tmp_path: Path) -> str:
    return save_model(tmp_path / "bare", None)


@pytest.mark.parametrize("asked", ["auto", "chat_template"])
def test_the_template_where_the_model_has_one(tmp_path: Path, chatty: str, asked: str) -> None:
    chosen = choose_layout(config(tmp_path, chatty, layout=asked))
    assert chosen.layout == "chat_template"
    assert chosen.chat_template is not None
    assert chosen.chat_template.text == CHATML
    assert isinstance(run_layout(chosen), TemplateLayout)
    assert parse_run_config(dump_config(chosen), "run.yaml") == chosen


def test_headers_where_it_has_none_or_they_are_asked_for(
    tmp_path: Path, chatty: str, bare: str
) -> None:
    for one in (
        config(tmp_path, bare),
        config(tmp_path, chatty, layout="headers"),
        config(tmp_path, chatty, profile="paper"),
        config(tmp_path, "/nowhere", layout="headers"),
    ):
        chosen = choose_layout(one)
        assert (chosen.layout, chosen.chat_template) == ("headers", None)
        assert isinstance(run_layout(chosen), HeadersLayout)


def test_a_given_template_needs_no_folder(tmp_path: Path) -> None:
    given = template().model_dump(mode="json")
    for base in ("/models/of-an-image", "pvc://claim/model"):
        chosen = choose_layout(config(tmp_path, base, chat_template=given))
        assert (chosen.layout, chosen.chat_template) == ("chat_template", template())


REFUSED: dict[str, tuple[str | None, dict[str, Any], dict[str, Any], str]] = {
    "no template": (None, {}, {"layout": "chat_template"}, "has no chat template; expected"),
    "raises": (
        "{{ raise_exception('no') }}",
        {"eos_token": "</s>"},
        {},
        "refuses a conversation of user: no",
    ),
    "no end token": (CHATML, {}, {}, "no token that ends an answer"),
    "not here": (CHATML, {}, {"model": {"base": "/nowhere"}}, "cannot be looked into from here"),
    "a claim": (CHATML, {}, {"model": {"base": "pvc://claim/m"}}, "weights chat-template FOLDER"),
}


@pytest.mark.parametrize(
    ("text", "tokenizer", "changes", "message"), REFUSED.values(), ids=REFUSED.keys()
)
def test_refused_before_anything_is_written(
    tmp_path: Path, text: str | None, tokenizer: Any, changes: dict[str, Any], message: str
) -> None:
    base = changes.pop("model", {"base": save_model(tmp_path / "m", text, **tokenizer)})["base"]
    store = open_store(f"{tmp_path}/store")
    with pytest.raises(ConfigError, match=message):
        prepare(store, config(tmp_path, base, **changes))
    assert list(store.list("")) == []


def test_a_run_keeps_what_it_began_with(tmp_path: Path, chatty: str) -> None:
    store = open_store(f"{tmp_path}/store")
    first = prepare(store, config(tmp_path, chatty))
    assert open_run(store, "one").config.chat_template == first.config.chat_template
    (Path(chatty) / "chat_template.jinja").write_text(CHATML.replace("im_", "am_"))
    assert prepare(store, config(tmp_path, chatty)).config == first.config
    with pytest.raises(FingerprintMismatch, match="layout: 'chat_template' there, 'headers'"):
        prepare(store, config(tmp_path, chatty, layout="headers"))
    other = template("{# other #}" + CHATML).model_dump(mode="json")
    with pytest.raises(FingerprintMismatch, match=r"chat_template\.text: "):
        prepare(store, config(tmp_path, chatty, chat_template=other))


def test_training_follows_the_layout(tmp_path: Path, chatty: str) -> None:
    store = open_store(f"{tmp_path}/store")
    asked = config(tmp_path, chatty)
    settings = engrave.STAGE.job_settings(Run(store, choose_layout(asked)), {})
    assert settings["layout"]["chat_template"] is True
    assert len(settings["layout"]["meta_prompts"]) == 1
    headers = choose_layout(asked.model_copy(update={"layout": "headers"}))
    settings = distill.STAGE.job_settings(Run(store, headers), {})
    assert settings["layout"]["assistant_header"] == "\n\n### Alder\n"
    assert len(settings["layout"]["meta_prompts"]) == 2
