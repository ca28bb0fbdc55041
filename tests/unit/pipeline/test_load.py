"""Run files: profiles under the user's values, and errors that name the place."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from selfalign.errors import ConfigError
from selfalign.pipeline.run.run import dump_config, method_settings
from selfalign.pipeline.run.run_file import (
    deep_merge,
    load_run_config,
    parse_run_config,
    parse_stored_config,
)

MINIMAL = "name: one\nstore: runs\nmodel: {base: some/model}\n"


def test_profile_fills_what_the_file_leaves_out_and_the_file_wins() -> None:
    paper = parse_run_config(MINIMAL, "run.yaml")
    small = parse_run_config(MINIMAL + "profile: small\nprompts: {count: 9}\n", "run.yaml")
    assert paper.profile == "paper"
    assert paper.prompts.count == 360_000
    assert small.prompts.count == 9
    assert (small.align.calls, small.evaluate.calls) == ("auto", "two")
    assert paper.align.calls == paper.evaluate.calls == "one"


def test_overrides_win_over_the_file_and_environment_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELFALIGN_TEST_STORE", "s3://bucket/runs")
    path = tmp_path / "run.yaml"
    path.write_text("name: one\nstore: ${SELFALIGN_TEST_STORE}\nmodel: {base: m}\n")
    config = load_run_config(path, {"prompts.count": 5, "seed": 3})
    assert (config.store, config.prompts.count, config.seed) == ("s3://bucket/runs", 5, 3)


@pytest.mark.parametrize("written", ["$SELFALIGN_TEST_TEXT", "${SELFALIGN_TEST_UNSET}"])
def test_what_names_no_variable_that_is_set_stays_text(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELFALIGN_TEST_TEXT", "from the environment")
    text = MINIMAL + f"align: {{chat_system: 'say {written}'}}\n"
    assert parse_run_config(text, "run.yaml").align.chat_system == f"say {written}"


def test_a_stored_run_is_read_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFALIGN_TEST_TEXT", "from the environment")
    text = MINIMAL + "align: {chat_system: 'say ${SELFALIGN_TEST_TEXT}'}\n"
    given, stored = parse_run_config(text, "run.yaml"), parse_stored_config(text, "run.yaml")
    assert given.align.chat_system == "say from the environment"
    assert stored.align.chat_system == "say ${SELFALIGN_TEST_TEXT}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected a mapping of settings"),
        ("- 1", "expected a mapping of settings, found list"),
        ("name: [", "not valid YAML"),
        (MINIMAL + "profile: huge", "profile: 'huge' is unknown; expected one of paper, small"),
        (MINIMAL + "promts: {}", "promts: unknown key"),
        (MINIMAL + "prompts: {cuont: 3}", r"prompts\.cuont: unknown key"),
        (MINIMAL + "prompts: {count: 0}", r"prompts\.count: .*greater than or equal to 1.*got 0"),
        (MINIMAL + "prompts: {count: many}", r"prompts\.count: .*valid integer.*got 'many'"),
        (MINIMAL.replace("name: one", "name: Not OK"), r"name: .*pattern.*'Not OK'"),
        ("name: one\nstore: runs", "model: missing"),
        (MINIMAL + "engrave: {base_model: x}", "base_model are set by the pipeline"),
        (MINIMAL + "seed: -1", r"seed: .*greater than or equal to 0.*got -1"),
        (MINIMAL + "executor: {model_server: {slot: 3}}", r"model_server\.slot: unknown key"),
        (MINIMAL + "executor: {model_server: {slots: 0}}", r"model_server\.slots: .*got 0"),
        (MINIMAL + "executor: {model_server: {model: m}}", r"model_server\.model: unknown key"),
        (
            MINIMAL + "executor: {kubernetes: {tls_ca: a, tls_cert: b}}",
            "executor.kubernetes: tls_cert and tls_key belong together",
        ),
    ],
)
def test_bad_files_are_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"run.yaml: .*{message}"):
        parse_run_config(text, "run.yaml")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("engine: {url: 'http://user:hunter2@host:80'}", "engine.url: the address holds a user"),
        ("engine: {url: 'https://hunter2@host/path'}", "engine.url: the address holds a user"),
        ("store: s3://key:hunter2@bucket/runs", "store: the address holds a user"),
        ("model: {base: 's3://key:hunter2@bucket/m'}", "model.base: the address holds a user"),
        ("store: '${SELFALIGN_TEST_UNSET}/runs'", "store: the environment variable SELFALIGN_TE"),
        ("model: {base: '${SELFALIGN_TEST_UNSET}'}", "model.base: the environment variable SELF"),
    ],
)
def test_addresses_hold_no_secret_and_no_variable_that_is_not_set(
    changed: str, message: str
) -> None:
    values = yaml.safe_load(MINIMAL) | yaml.safe_load(changed)
    with pytest.raises(ConfigError) as caught:
        parse_run_config(yaml.safe_dump(values), "run.yaml")
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("store", ["s3://bucket/a@b", "/data/me@work/runs", "runs/$HOME"])
def test_addresses_may_hold_such_signs_elsewhere(store: str) -> None:
    values = yaml.safe_load(MINIMAL) | {"store": store}
    assert parse_run_config(yaml.safe_dump(values), "run.yaml").store == store


def test_options_of_the_model_server_are_kept_as_they_were_set() -> None:
    text = MINIMAL + "executor: {model_server: {dtype: fp32, slots: 4}}"
    stored = dump_config(parse_run_config(text, "run.yaml"))
    assert yaml.safe_load(stored)["executor"]["model_server"] == {"dtype": "fp32", "slots": 4}
    again = parse_run_config(stored, "stored").executor.model_server
    assert again.model_fields_set == {"dtype", "slots"}


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_run_config(tmp_path / "none.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: caf\xe9")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load_run_config(path)


def test_dumped_configuration_parses_to_the_same() -> None:
    config = parse_run_config(MINIMAL + "profile: small\nengrave: {epochs: 2}\n", "run.yaml")
    again = parse_run_config(dump_config(config), "stored")
    assert again == config
    assert method_settings(again) == method_settings(config)


def test_operational_settings_are_not_method_settings() -> None:
    config = parse_run_config(MINIMAL, "run.yaml")
    moved = parse_run_config(MINIMAL + "executor: {workers: 8}\nengine: {url: 'http://x'}", "r")
    other = parse_run_config(MINIMAL + "seed: 1", "r")
    assert method_settings(config) == method_settings(moved)
    assert method_settings(config) != method_settings(other)


@pytest.mark.parametrize(
    ("section", "max_new_tokens", "top_p"),
    [
        ("align", 256, 0.9),
        ("refine", 512, 0.7),
        ("evaluate", 300, 0.75),
        ("synthesizer.topics", 384, 0.98),
        ("synthesizer.self_instruct", 384, 0.98),
        ("synthesizer.topic_guided", 384, 0.98),
    ],
)
def test_one_sampling_setting_leaves_the_others_of_its_section(
    section: str, max_new_tokens: int, top_p: float
) -> None:
    overrides = {f"{section}.sampling.temperature": 0.65}
    values: Any = parse_run_config(MINIMAL, "run.yaml", overrides)
    for name in section.split("."):
        values = getattr(values, name)
    found = values.sampling
    assert (found.temperature, found.max_new_tokens, found.top_p) == (0.65, max_new_tokens, top_p)


@pytest.mark.parametrize("section", ["align", "refine", "evaluate"])
def test_answers_stop_where_the_constitution_says(section: str) -> None:
    with pytest.raises(ConfigError, match=rf"run\.yaml: {section}\.sampling\.stop: \['x'\] is set"):
        parse_run_config(MINIMAL, "run.yaml", {f"{section}.sampling.stop": ["x"]})


def test_deep_merge_replaces_lists_and_merges_mappings() -> None:
    below = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert deep_merge(below, {"a": {"c": [3]}, "d": {"e": 1}}) == {
        "a": {"b": 1, "c": [3]},
        "d": {"e": 1},
    }
    assert below == {"a": {"b": 1, "c": [1, 2]}, "d": 1}
