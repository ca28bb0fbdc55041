"""A release whose services would make other rows than the run's is refused, with differences."""

import pytest

from selfalign.errors import ConfigError
from selfalign.pipeline.executors.kubernetes.services import check_same_settings
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.run import dump_config
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.roles import ServiceName


def config(text: str = "") -> RunConfig:
    return parse_run_config(
        f"name: demo\nstore: s\nprofile: small\nmodel: {{base: m}}\n{text}", "test"
    )


@pytest.mark.parametrize("name", ["prompt-synthesizer", "principle-engine", "refiner"])
def test_equal_settings_pass_whatever_is_not_the_services(name: ServiceName) -> None:
    other = config("prompts: {count: 7}\nexecutor: {workers: 9}\nengine: {max_concurrency: 3}\n")
    check_same_settings(name, config(), dump_config(other), "there")


@pytest.mark.parametrize(
    ("name", "there", "message"),
    [
        (
            "principle-engine",
            "align: {sampling: {temperature: 0.25}}\n",
            r"align\.sampling\.temperature: 0\.25 there, ",
        ),
        (
            "principle-engine",
            "constitution: /c.yaml\n",
            "constitution: '/c.yaml' there, None asked",
        ),
        (
            "refiner",
            "refine: {sampling: {max_new_tokens: 9}}\n",
            r"refine\.sampling\.max_new_tokens: 9 there",
        ),
        ("prompt-synthesizer", "task_seeds: /s\n", "task_seeds: '/s' there"),
        ("prompt-synthesizer", "engine: {max_stop_sequences: 2}\n", r"engine\.max_stop_sequences"),
    ],
)
def test_differences_are_shown(name: ServiceName, there: str, message: str) -> None:
    with pytest.raises(
        ConfigError, match=f"there: the release's {name} runs with other.*{message}"
    ):
        check_same_settings(name, config(), dump_config(config(there)), "there")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the run file"),
        ("- a", "expected the run file"),
        ("name: demo\nstore: s\n", "model: missing"),
    ],
)
def test_a_release_without_a_run_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"there: .*{message}"):
        check_same_settings("refiner", config(), text, "there")
