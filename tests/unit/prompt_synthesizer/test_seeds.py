"""Seed files: ours are sound, files of users are read or refused with the place named."""

import json
from pathlib import Path

import pytest

from selfalign.dedup.rouge_l import deduplicate
from selfalign.errors import DataError
from selfalign.prompt_synthesizer.prompt_filters import check_instruction, check_topic
from selfalign.prompt_synthesizer.seeds import (
    TaskSeed,
    TopicSeed,
    load_task_seeds,
    load_topic_seeds,
)
from selfalign.prompt_synthesizer.synthesizer_settings import PromptFilterSettings
from support.reference import reference_path


def test_our_task_seeds_pass_our_own_filters() -> None:
    seeds = load_task_seeds()
    assert len(seeds) == len(set(seeds)) == 175
    assert sum(not seed.input for seed in seeds) > 80
    for seed in seeds:
        assert check_instruction(seed.instruction, seed.input, PromptFilterSettings()) is None, seed


def test_our_topic_seeds_give_one_for_each_of_twenty_types() -> None:
    seeds = load_topic_seeds()
    assert len(seeds) == len({seed.question_type for seed in seeds}) == 20
    for seed in seeds:
        assert seed.question_type.startswith("Questions that require ")
        assert check_topic(seed.topic, 3) is None, seed


def test_no_two_of_our_seeds_are_near_duplicates() -> None:
    texts = [seed.instruction for seed in load_task_seeds()]
    texts += [seed.instruction for seed in load_topic_seeds()]
    assert deduplicate(texts, threshold=0.6).kept.all()


def test_our_seeds_are_not_the_published_ones() -> None:
    published = [
        seed.instruction
        for seed in load_task_seeds(reference_path("self-instruct", "seed_tasks.jsonl"))
    ]
    folder = reference_path("dromedary", "prompts")
    published += [
        seed.instruction
        for seed in load_topic_seeds(folder / "tgrt_self_instruct_seed_questions.jsonl")
    ]
    ours = [seed.instruction for seed in load_task_seeds()]
    ours += [seed.instruction for seed in load_topic_seeds()]
    assert deduplicate(ours, seeds=published, threshold=0.6).kept.all()


@pytest.mark.parametrize(
    "parts",
    [
        ("self-instruct", "seed_tasks.jsonl"),
        # Without a final newline.
        ("dromedary", "prompts", "self_instruct_seed_tasks.jsonl"),
    ],
)
def test_the_published_task_seeds_are_read(parts: tuple[str, ...]) -> None:
    path = reference_path(*parts)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    seeds = load_task_seeds(path)
    assert len(seeds) == 175
    assert sum(not seed.input for seed in seeds) == 50
    assert [seed.instruction for seed in seeds] == [row["instruction"].strip() for row in rows]


def test_the_published_topic_seeds_are_read() -> None:
    path = reference_path("dromedary", "prompts", "tgrt_self_instruct_seed_questions.jsonl")
    seeds = load_topic_seeds(path)
    assert len({seed.question_type for seed in seeds}) == len(seeds) == 20


@pytest.mark.parametrize(
    ("content", "seeds"),
    [
        ('{"instruction": "a", "input": "b"}\n', [TaskSeed("a", "b")]),
        ('{"instruction": " a "}', [TaskSeed("a", "")]),
        ('\ufeff{"instruction": "a"}\n\n\n{"instruction": "b"}', [TaskSeed("a"), TaskSeed("b")]),
        (
            '{"instruction": "a", "instances": [{"input": "b", "output": "c"}]}',
            [TaskSeed("a", "b")],
        ),
        ('{"instruction": "a", "more": 1}\r\n', [TaskSeed("a")]),
    ],
)
def test_good_task_seeds(tmp_path: Path, content: str, seeds: list[TaskSeed]) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_bytes(content.encode())
    assert load_task_seeds(path) == seeds


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"task_seeds: .*seeds\.jsonl holds no seeds"),
        (b"\n \n", "holds no seeds"),
        (b'{"instruction": "a"}\n{"instruction"', "line 2: not JSON: .* at column"),
        (b"[1]", "line 1: expected an object, got list"),
        (b'{"text": "a"}', "line 1: the field `instruction` is missing; it has text"),
        (b'{"instruction": 3}', "line 1: `instruction` must be a text, got 3"),
        (b'{"instruction": " "}', "line 1: `instruction` is empty"),
        (b'{"instruction": "a", "instances": []}', "line 1: `instances` must be a list"),
        (b'{"instruction": "a", "instances": [{"input": 1}]}', r"instances\[0\]: `input` must be"),
        (b'{"instruction": "\xff"}', "not UTF-8 at byte 17"),
    ],
)
def test_bad_task_seeds(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_task_seeds(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"topic_seeds: .*: cannot be read: No such file"):
        load_topic_seeds(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"question_type": "q", "topic": "t", "instruction": "i"}', TopicSeed("q", "t", "i")),
        ('{"topic": "t", "question_type": "q", "question": "i"}', TopicSeed("q", "t", "i")),
        ('{"question_type": "q", "instruction": "i"}', "line 1: the field `topic` is missing"),
        ('{"question_type": "q", "topic": "t"}', "line 1: the field `instruction` is missing"),
    ],
)
def test_topic_seeds(tmp_path: Path, line: str, expected: TopicSeed | str) -> None:
    path = tmp_path / "topics.jsonl"
    path.write_text(line)
    if isinstance(expected, TopicSeed):
        assert load_topic_seeds(path) == [expected]
    else:
        with pytest.raises(DataError, match=expected):
            load_topic_seeds(path)
