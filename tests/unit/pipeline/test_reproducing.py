"""The run files of docs/reproducing.md are run files, and plan what the page says."""

import re
from pathlib import Path

import yaml

from selfalign.pipeline.run.run_file import deep_merge, parse_run_config

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reproducing.md").read_text("utf-8")
WHOLE, SCRIPTS = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.S))


def test_the_papers_run() -> None:
    config = parse_run_config(yaml.safe_dump(WHOLE), "reproducing.md")
    assert f"{config.topics.count:,} here" in PAGE
    assert config.prompts.max_per_topic == 1
    assert config.synthesizer.instructions == "as_written"
    assert config.align.filters.preset == config.refine.filters.preset == "published"


def test_the_numbers_of_the_scripts() -> None:
    both = deep_merge(WHOLE, SCRIPTS)
    config = parse_run_config(yaml.safe_dump(both), "reproducing.md")
    paper = parse_run_config(yaml.safe_dump(WHOLE), "reproducing.md")
    rows = re.findall(r"^\| ([a-z].*?) \| ([\d.]+) \| ([\d.]+) \| [\d.]+ \|$", PAGE, re.M)
    for one, column in ((paper, 0), (config, 1)):
        found = {
            "self-instruct, new tokens": one.synthesizer.self_instruct.sampling.max_new_tokens,
            "topic-guided instructions, top_p": one.synthesizer.topic_guided.sampling.top_p,
            "topics, new tokens": one.synthesizer.topics.sampling.max_new_tokens,
            "alignment, top_p": one.align.sampling.top_p,
        }
        assert {name: float(numbers[column]) for name, *numbers in rows} == found
