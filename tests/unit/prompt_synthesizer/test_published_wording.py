"""The imported wording renders stage 1's prompts as the published scripts do, byte for byte."""

import json
from pathlib import Path

import pytest

from selfalign.cli.__main__ import run
from selfalign.errors import ConfigError, DataError, SelfAlignError
from selfalign.prompt_synthesizer.prompt_templates import PromptTemplates, load_prompt_templates
from selfalign.prompt_synthesizer.published_wording import NAMES, PublishedFiles, import_wording
from selfalign.prompt_synthesizer.seeds import load_task_seeds, load_topic_seeds
from selfalign.prompt_synthesizer.self_instruct import render_self_instruct
from selfalign.prompt_synthesizer.synthesizer_settings import TopicSettings
from selfalign.prompt_synthesizer.topic_guided import Hint, render_topic_guided
from selfalign.prompt_synthesizer.topics import render_topics
from support.published_prompts import (
    Scripts,
    Seed,
    published_prompt,
    self_instruct_prompt,
    topic_guided_prompt,
    topics_prompt,
)
from support.reference import reference_path

HINTS = [(f"Questions that require matter {n}", f"Topic {n} {{hints}}") for n in range(5)]


@pytest.fixture(params=["stated", "scripts"])
def theirs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Scripts | None:
    """Who renders the published prompts: the scripts, or (None) their restatement."""
    return Scripts(monkeypatch) if request.param == "scripts" else None


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    """What the command makes of the published files; skips the test where they are absent."""
    folder = tmp_path / "stage1"
    assert run(["wording", "import", str(reference_path("dromedary", "prompts")),
                "-o", str(folder)]) == 0  # fmt: skip
    return folder


def rows(name: str) -> list[Seed]:
    return [json.loads(line) for line in published_prompt(NAMES[name]).splitlines()]


def test_self_instruct(imported: Path, theirs: Scripts | None) -> None:
    meta, published = published_prompt(NAMES["self_instruct"]), rows("task_seeds")
    templates = load_prompt_templates(imported / "prompts.yaml")
    seeds = load_task_seeds(imported / "task_seeds.jsonl")
    expect = theirs.self_instruct if theirs else self_instruct_prompt
    assert len(seeds) == len(published) == 175
    prompts = []
    for start in range(0, 175, 5):
        prompts.append(render_self_instruct(templates, seeds[start : start + 5], 20))
        assert prompts[-1] == expect(meta, published[start : start + 5])
    assert all(prompt.endswith("###\n6. Instruction:") for prompt in prompts)
    assert sum(prompt.count("Input:\n<noinput>\n") for prompt in prompts) == 50


def test_topics(imported: Path, theirs: Scripts | None) -> None:
    meta = published_prompt(NAMES["topics"])
    templates = load_prompt_templates(imported / "prompts.yaml")
    expect = theirs.topics if theirs else topics_prompt
    for seed in load_topic_seeds(imported / "topic_seeds.jsonl"):
        for shown in ([seed.topic], ["A", "Silk Road", "C {}", "D", "E"]):
            ours = render_topics(templates, seed.question_type, shown, TopicSettings())
            assert ours == expect(meta, seed.question_type, shown)


def test_topic_guided(imported: Path, theirs: Scripts | None) -> None:
    meta, published = published_prompt(NAMES["topic_guided"]), rows("topic_seeds")
    templates = load_prompt_templates(imported / "prompts.yaml")
    seeds = load_topic_seeds(imported / "topic_seeds.jsonl")
    expect = theirs.topic_guided if theirs else topic_guided_prompt
    hints = [Hint(*pair) for pair in HINTS]
    for start in range(0, 20, 5):
        ours = render_topic_guided(templates, seeds[start : start + 5], hints, lead=False)
        assert ours == expect(meta, published[start : start + 5], HINTS)
    # Ten hints, of which the text says that they are twenty.
    assert "\n20 Hints:\n" in ours
    assert ours.count(", topic: ") == 15
    assert "\n10. type: " in ours


TEXTS = {
    "self_instruct": "Write tasks.\n\nList of 20 tasks:\n",
    "topics": "Topics for {}.\n\nList:\n",
    "topic_guided": "Hints:\n{}\n\nInstructions:\n{}",
    "task_seeds": '{"instruction": "Add:", "instances": [{"input": "1\\n2", "output": "3"}]}',
    "topic_seeds": '{"topic": "Tea", "question_type": "Questions of taste", "question": "Milk?"}',
}


def folder_of(path: Path, **changed: str) -> Path:
    path.mkdir()
    for name, text in {**TEXTS, **changed}.items():
        (path / NAMES[name]).write_text(text, encoding="utf-8")
    return path


def test_what_the_scripts_do_besides_filling(tmp_path: Path) -> None:
    files = PublishedFiles.in_folder(folder_of(tmp_path / "in"))
    assert import_wording(files).templates == PromptTemplates(
        self_instruct="Write tasks.\n\nList of 20 tasks:\n",
        topics="Topics for {question_type}.\n\nList:",
        topic_guided="Hints:\n\n{hints}\n\nInstructions:\n\n{instructions}",
    )


def test_a_file_that_lies_elsewhere(tmp_path: Path) -> None:
    folder, other = folder_of(tmp_path / "in"), tmp_path / "seeds.jsonl"
    (folder / NAMES["task_seeds"]).rename(other)
    command = ["wording", "import", str(folder), "-o", str(tmp_path / "new" / "out")]
    assert run([*command, "--task-seeds", str(other)]) == 0
    assert load_task_seeds(tmp_path / "new" / "out" / "task_seeds.jsonl")[0].input == "1\n2"


BAD: dict[str, tuple[str, str | None, type[SelfAlignError], str]] = {
    "missing": ("topics", None, ConfigError, r"topics: .*cannot be read: No such file"),
    "empty": ("self_instruct", " \n", DataError, "is empty"),
    "the other prompt": ("self_instruct", "List {}", DataError, r"holds \{\}, as the prompts of"),
    "our own place": ("self_instruct", "{count}", DataError, r"holds \{count\}"),
    "no place": ("topics", "List", DataError, r"topics: .*holds \{\} 0 times; expected 1"),
    "one place": ("topic_guided", "{}", DataError, r"expected 2: for \{hints\}, then \{instr"),
    "other braces": ("topics", "{} {kind}", DataError, "braces besides"),
    "a seed without a field": ("topic_seeds", '{"topic": "x"}', DataError, "question_type"),
    "no seeds": ("task_seeds", "\n", DataError, "holds no seeds"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_wrong_file_is_refused_and_nothing_is_written(
    case: tuple[str, str | None, type[SelfAlignError], str], tmp_path: Path
) -> None:
    name, text, error, message = case
    folder = folder_of(tmp_path / "in", **({name: text} if text is not None else {}))
    if text is None:
        (folder / NAMES[name]).unlink()
    with pytest.raises(error, match=message):
        import_wording(PublishedFiles.in_folder(folder))
    command = ["wording", "import", str(folder), "-o", str(tmp_path / "out")]
    assert run(command) == error.exit_code
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_what_is_there_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["wording", "import", str(folder_of(tmp_path / "in")), "-o", str(tmp_path / "out")]
    assert run(command) == 0
    mine = tmp_path / "out" / "prompts.yaml"
    mine.write_text("mine")
    assert run(command) == ConfigError.exit_code
    assert "is there already" in capsys.readouterr().err
    assert mine.read_text() == "mine"
    (tmp_path / "file").write_text("")
    assert run([*command[:-1], str(tmp_path / "file" / "below")]) == ConfigError.exit_code
