"""Old spellings: refused in run files; a run that the version before stored goes on and verifies.

stored_run/ holds a run as the version before `align.calls` wrote it, all stages finished.
"""

import json
import shutil
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError, FingerprintMismatch
from selfalign.pipeline.run.later_settings import ADDED, READ_WITH
from selfalign.pipeline.run.old_spellings import MOVED, translated
from selfalign.pipeline.run.run import Run, create_or_resume, open_run
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.pipeline.runner.fingerprint import (
    check_fingerprint,
    manifest_digest,
    stage_fingerprint,
)
from selfalign.pipeline.runner.reuse import reuse_stages
from selfalign.pipeline.runner.verify import verify_run
from selfalign.pipeline.stages import align
from selfalign.pipeline.stages.register import NAMES, STAGES, find_stage
from selfalign.storage.open import open_store
from selfalign.storage.store import Store

STORED = Path(__file__).parent / "stored_run"
# The user's run file, as it was and as it has to be now.
OLD_FILE = """name: before
store: store
profile: small
model: {base: owner/model}
align: {temperature: 0.6, answer_lead: Well}
prompts: {count: 2}
evaluate: {held_out: 1}
"""


def _with_added(text: str) -> str:
    """The run file with the settings that came later, at the values that change nothing."""
    values = yaml.safe_load(text)
    # The profile's values of before, where it has others now.
    before = {
        "align.calls": "two",
        "align.sampling.max_new_tokens": 160,
        "align.filters.refusals": "reject",
        "align.retries": 2,
        "refine.retries": 2,
        "evaluate.sampling": {"max_new_tokens": 160, "temperature": 0.1, "top_p": 0.75},
        "prompts.sources": {"self_instruct": 0.5, "topic_guided": 0.5},
        "prompts.expected_per_hint": 0.7,
        "prompts.request_openings": 0.0,
        "engrave.preset": "small",
        "distill.preset": "small",
    }
    for dotted, value in (*before.items(), *ADDED.items()):
        *parents, last = dotted.split(".")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
        place.setdefault(last, value)
    return yaml.safe_dump(values, default_flow_style=None, sort_keys=False)


NEW_FILE = _with_added(OLD_FILE.replace("temperature: 0.6", "sampling: {temperature: 0.6}"))
# As the version before computed them.
DIGESTS = {
    "topics": "5d8a30d42be98885",
    "prompts": "4af8cf87ac5b5d83",
    "align": "9cf70d74cd027f78",
    "engrave": "857fb9ad8dfd48f9",
    "refine": "cbc8564da7a9e39e",
    "distill": "140d7441ff9a09ee",
    "evaluate": "39210d5e76246b92",
}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The stored run, under the built-in constitution of its time."""
    constitution = load_constitution(STORED / "constitution.yaml")
    monkeypatch.setattr("selfalign.constitution.yaml_file._built_in", lambda: constitution)
    shutil.copytree(STORED, tmp_path, dirs_exist_ok=True)
    return open_store(str(tmp_path))


def fingerprint_of(run: Run, stage: str) -> dict[str, Any]:
    manifest = run.manifest(stage)
    assert manifest is not None
    return manifest.fingerprint


def test_the_stored_run_has_the_old_spelling() -> None:
    config = yaml.safe_load((STORED / "before" / "run.yaml").read_text())
    assert config["align"]["mode"] == "two_call"
    assert config["evaluate"]["constitution_calls"] == "two"
    manifest = json.loads((STORED / "before" / "align" / "manifest.json").read_text())
    assert manifest["fingerprint"]["settings"]["align"]["temperature"] == 0.6


def test_a_stored_run_is_read_with_its_values(store: Store) -> None:
    config = open_run(store, "before").config
    assert config.align.calls == config.evaluate.calls == "two"
    assert config.align.sampling.temperature == 0.6
    assert config.align.sampling.max_new_tokens == 160
    assert config.refine.sampling.repetition_penalty == 1.1
    assert config.end_of_turn == "marker", "it trained no end token"
    assert config.prompts.sources.shares() == {
        "self_instruct": 0.5,
        "topic_guided": 0.5,
        "template": 0.0,
        "request": 0.0,
        "file": 0.0,
    }


def test_a_stored_run_goes_on_with_the_corrected_run_file(store: Store) -> None:
    run, found = create_or_resume(store, parse_run_config(NEW_FILE, "run.yaml"))
    assert found == {}
    for name in DIGESTS:
        stage = find_stage(name, "test")
        manifest = run.manifest(stage.name)
        assert manifest is not None
        check_fingerprint(stage, manifest, stage_fingerprint(run, stage))
        assert manifest_digest(manifest) == DIGESTS[stage.name]


def test_a_stored_run_verifies(store: Store) -> None:
    findings = list(verify_run(open_run(store, "before")))
    assert {finding.stage for finding in findings} == set(DIGESTS)
    assert [finding for finding in findings if finding.fault] == []


def test_a_new_run_takes_over_a_stored_one(store: Store) -> None:
    new = NEW_FILE.replace("name: before", "name: after")
    run, _ = create_or_resume(store, parse_run_config(new, "run.yaml"))
    # Up to a stage that the stored run did not know.
    known = list(takewhile(DIGESTS.__contains__, NAMES))
    assert list(reuse_stages(run, "before")) == known
    assert fingerprint_of(run, "align") == fingerprint_of(open_run(store, "before"), "align")


def test_a_stored_run_keeps_the_headers(store: Store) -> None:
    run, _ = create_or_resume(store, parse_run_config(NEW_FILE, "run.yaml"))
    assert run.config.layout == "headers"
    other = NEW_FILE.replace("layout: headers", "layout: chat_template")
    asked = parse_run_config(other, "run.yaml")
    _, found = create_or_resume(store, asked)
    assert found["layout"] == ("headers", "chat_template")


def test_added_settings_go_where_they_are_read() -> None:
    added = {"layout": "headers", "chat_template": None, "end_of_turn": "marker"}
    assert translated({"engrave": {"epochs": 1}}) == {"engrave": {"epochs": 1}, **added}
    assert translated({"engrave": {}, "layout": "auto"})["layout"] == "auto"
    assert translated({"topics": {"count": 2}}) == {"topics": {"count": 2}}
    assert {name for name in ADDED if "." not in name} == set(READ_WITH)
    for name, sections in READ_WITH.items():
        assert set(sections) == {stage.name for stage in STAGES if name in stage.settings}


def test_other_settings_are_still_seen(store: Store) -> None:
    other = NEW_FILE.replace("temperature: 0.6", "temperature: 0.7")
    run, found = create_or_resume(store, parse_run_config(other, "run.yaml"))
    assert found == {"align.sampling.temperature": (0.6, 0.7)}
    asked = Run(store, parse_run_config(other, "run.yaml"))
    manifest = run.manifest("align")
    assert manifest is not None
    with pytest.raises(FingerprintMismatch, match=r"align\.sampling\.temperature: 0\.6 there"):
        check_fingerprint(align.STAGE, manifest, stage_fingerprint(asked, align.STAGE))


MINIMAL = "name: one\nstore: runs\nmodel: {base: m}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("align: {mode: two_call}", "run.yaml: align.mode: is now align.calls: two"),
        ("align: {mode: three}", "run.yaml: align.mode: is now align.calls: three"),
        ("evaluate: {constitution_calls: one}", "constitution_calls: is now evaluate.calls: one"),
        ("align: {temperature: 0.9}", "align.temperature: is now align.sampling.temperature: 0.9"),
        ("refine: {top_p: 1}", "refine.top_p: is now refine.sampling.top_p: 1"),
        (
            "prompts: {topic_guided_share: 0.4}",
            "prompts.topic_guided_share: is now prompts.sources: {file: 0.0, self_instruct: 0.6, "
            "template: 0.0, topic_guided: 0.4}",
        ),
        ("prompts: {topic_guided_share: x}", "is now prompts.sources: x"),
    ],
)
def test_an_old_spelling_in_a_run_file_is_told_the_new_one(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_run_config(MINIMAL + text, "run.yaml")
    assert str(caught.value).endswith(message)


def test_all_old_spellings_are_told_at_once() -> None:
    text = "align: {mode: one_call, max_new_tokens: 9}\nrefine: {temperature: 0.1}"
    with pytest.raises(ConfigError) as caught:
        parse_run_config(MINIMAL + text, "run.yaml", {"evaluate.constitution_calls": "two"})
    assert str(caught.value).splitlines() == [
        "run.yaml: 4 settings have new names:",
        "  align.mode: is now align.calls: one",
        "  evaluate.constitution_calls: is now evaluate.calls: two",
        "  align.max_new_tokens: is now align.sampling.max_new_tokens: 9",
        "  refine.temperature: is now refine.sampling.temperature: 0.1",
    ]


def _without_added(values: dict[str, Any], within: str = "") -> dict[str, Any]:
    """Without the sections and settings that stand in ADDED."""
    return {
        name: _without_added(value, f"{within}{name}.") if isinstance(value, dict) else value
        for name, value in values.items()
        if f"{within}{name}" not in ADDED
    }


def test_new_spellings_stay_and_what_was_given_stays_whole() -> None:
    new = {"align": {"calls": "two", "sampling": {"top_p": 0.5}}, "rows": {"rows_per_unit": 3}}
    assert _without_added(translated(new)) == new
    old: dict[str, Any] = {"align": {"mode": "two_call", "retries": 2}, "engrave": {"mode": "x"}}
    new = {"align": {"calls": "two", "retries": 2}, "engrave": {"mode": "x"}}
    found = translated(old)
    assert _without_added(found) == new
    assert found["layout"] == "headers"
    assert found["align"]["selection"]["candidates"] == 1
    assert old["align"] == {"mode": "two_call", "retries": 2}


def test_every_new_name_is_a_setting() -> None:
    config = parse_run_config(MINIMAL, "run.yaml").model_dump()
    for moved in MOVED:
        value: Any = config
        for name in moved.new.split("."):
            value = value[name]
        section, _, name = moved.old.partition(".")
        assert name not in config[section]
