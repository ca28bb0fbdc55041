"""A run of the user's own prompts: each row accounted for, wrong files refused, nothing doubled."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest

from selfalign.constitution.openings import request_openings
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError, DataError, FingerprintMismatch, SelfAlignError
from selfalign.pipeline.executors.contract.executor import Executor
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.run import Run, create_or_resume
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.pipeline.runner.fingerprint import check_fingerprint, stage_fingerprint
from selfalign.pipeline.runner.preflight import prepare
from selfalign.pipeline.runner.verify import verify_run
from selfalign.pipeline.stages import own_prompts, prompts, topics
from selfalign.pipeline.stages.kinds.stage import StageWork
from selfalign.pipeline.stages.register import STAGES
from selfalign.storage.open import open_store
from selfalign.storage.rows import Row, RowStatus
from selfalign.storage.tables import create_part, part_name, read_rows, to_rows
from support.chat_templates import CHATML, template

GOOD = [
    {"instruction": f"Explain w{n} and x{n} to y{n} or z{n}.", "input": "i" * n} for n in range(12)
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"instruction": " "}, "empty"),
    ({"instruction": None, "input": "x"}, "empty"),
    ({"instruction": "Too short."}, "too_short"),
    ({"instruction": "Describe the picture in words."}, "blacklisted_word"),
    ({"instruction": "word " * 2_000_000}, "too_long"),
    ({"instruction": "Sort all of this text.", "input": "y" * 10_000_000}, "too_long"),
    ({"instruction": GOOD[3]["instruction"].upper()}, "near_duplicate"),
]


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def config(folder: Path, file: str, base: str = "owner/model", **changes: Any) -> RunConfig:
    chosen: dict[str, Any] = {"count": 8, "file": file, "sources": {"file": 1.0}}
    values = {
        "name": "one",
        "store": f"{folder}/store",
        "profile": "small",
        "evaluate": {"held_out": 2},
        "layout": "headers",
        **changes,
        "prompts": {**chosen, **changes.get("prompts", {})},
    }
    return parse_run_config(json.dumps({**values, "model": {"base": base}}), "run.yaml")


def make(run: Run) -> list[Row]:
    """Both stages of prompts, with an executor that must not be used."""
    for stage in (topics.STAGE, prompts.STAGE):
        fingerprint = stage_fingerprint(run, stage)
        stage.make(StageWork(run, cast(Executor, None), lambda event: None, fingerprint, STAGES))
    return list(to_rows(read_rows(run.store, run.prefix("prompts"))))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    file = write(tmp_path, [*GOOD, *(row for row, _ in BAD)])
    chosen = config(tmp_path, str(file))
    return create_or_resume(open_store(chosen.store), chosen)[0]


def test_every_row_of_the_file_is_accounted_for_without_an_engine(run: Run) -> None:
    rows = make(run)
    assert len(rows) == len(GOOD) + len(BAD)
    assert {row.source for row in rows} == {"file"}
    expected = Counter(reason for _, reason in BAD) + Counter(surplus=2)
    assert Counter(row.reason for row in rows if row.reason) == expected
    accepted = [row for row in rows if row.status is RowStatus.ACCEPTED]
    inputs = {row["instruction"]: row["input"] for row in GOOD}
    assert {row.instruction: row.input for row in accepted}.items() <= inputs.items()
    assert max(len(row.instruction) + len(row.input) for row in rows) < 500
    manifest = run.manifest("prompts")
    assert manifest is not None
    assert (manifest.inputs, manifest.accepted, manifest.rejected) == (
        len(rows),
        10,
        len(rows) - 10,
    )
    assert manifest.details["sources"] == {"file": 10}
    assert manifest.details["rounds"] == 0
    assert run.config.topics.count == 0
    findings = list(verify_run(run))
    assert [found for found in findings if found.fault and found.stage == "prompts"] == []


def test_the_file_is_part_of_the_origin(run: Run) -> None:
    make(run)
    before = stage_fingerprint(run, prompts.STAGE)
    assert set(before["files"]) >= {"prompts.file", "task_seeds"}
    write(Path(str(run.config.prompts.file)).parent, GOOD)
    after = stage_fingerprint(run, prompts.STAGE)
    assert after["files"] != before["files"]
    manifest = run.manifest("prompts")
    assert manifest is not None
    with pytest.raises(FingerprintMismatch, match=r"files\.prompts\.file: "):
        check_fingerprint(prompts.STAGE, manifest, after)


def test_a_file_that_changes_under_way_leaves_no_old_rows(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_prompts, "ROWS_PER_PART", 5)

    def stopped(store: Any, key: str, rows: Any) -> None:
        if key.endswith(part_name(1)):
            raise KeyboardInterrupt
        create_part(store, key, rows)

    with monkeypatch.context() as patch:
        patch.setattr(own_prompts, "create_part", stopped)
        with pytest.raises(KeyboardInterrupt):
            make(run)
    write(Path(str(run.config.prompts.file)).parent, GOOD)
    run.store.delete(f"{run.prefix('topics')}/manifest.json")
    rows = make(run)
    assert len(rows) == len(GOOD)
    # And going on with the same file takes what is there.
    run.store.delete(f"{run.prefix('prompts')}/manifest.json")
    run.store.delete(f"{run.prefix('topics')}/manifest.json")
    assert make(run) == rows


def test_too_few_prompts_are_told_with_their_reasons(tmp_path: Path) -> None:
    file = write(tmp_path, [*GOOD[:9], BAD[0][0]])
    chosen = config(tmp_path, str(file))
    started, _ = create_or_resume(open_store(chosen.store), chosen)
    with pytest.raises(DataError, match=r"9 of 10 wanted prompts .*rejected: empty 1\); lower"):
        make(started)
    assert started.manifest("prompts") is None


def test_a_file_or_folder_may_lie_in_the_store(run: Run) -> None:
    expected = make(run)
    local = Path(str(run.config.prompts.file))
    run.store.upload(local, "data/mine.jsonl")
    chosen = config(local.parent, "data/mine.jsonl", name="two")
    assert make(Run(run.store, chosen)) == expected


@pytest.mark.parametrize(
    ("rows", "changes", "error", "message"),
    [
        ('{"instruction": "a"}\nno', {}, DataError, r"mine\.jsonl, line 2: not JSON"),
        ('{"instruction": "a"}\n', {}, ConfigError, "holds 1 rows, and 10 prompts are wanted"),
        ('{"text": "a"}\n', {}, DataError, "line 1: no field of an instruction"),
        ("", {}, DataError, "holds no rows"),
        (None, {}, ConfigError, r"prompts\.file: there is no file .*mine\.jsonl, and no such key"),
    ],
)
def test_wrong_files_are_refused_before_anything_is_written(
    tmp_path: Path, rows: str | None, changes: Any, error: type[SelfAlignError], message: str
) -> None:
    base = tmp_path / "model"
    base.mkdir()
    (base / "config.json").write_text("{}")
    file = tmp_path / "mine.jsonl"
    if rows is not None:
        file.write_text(rows)
    chosen = config(tmp_path, str(file), str(base), **changes)
    store = open_store(chosen.store)
    with pytest.raises(error, match=message):
        prepare(store, chosen)
    assert list(store.list("")) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sources": {"file": 0.5}}, r"prompts\.sources: the shares add up to 0\.5; expected 1"),
        ({"file": None}, r"prompts: sources\.file is 1, but no file is named"),
        ({"sources": {"self_instruct": 1}}, r"but sources\.file is 0; give it its share"),
        ({"sources": {"mine": 1}}, r"prompts\.sources\.mine: unknown key"),
        ({"sources": "file"}, r"prompts\.sources: "),
        ({"sources": {"file": 2, "template": -1}}, r"prompts\.sources\.file: "),
    ],
)
def test_wrong_shares_are_refused(tmp_path: Path, settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(tmp_path, "mine.jsonl", prompts=settings)


def test_shares_that_a_file_leaves_out_are_none_and_topics_follow(tmp_path: Path) -> None:
    mixed = {"sources": {"file": 0.5, "topic_guided": 0.5}}
    chosen = config(tmp_path, "mine.jsonl", prompts=mixed)
    assert chosen.prompts.sources.self_instruct == 0
    assert chosen.topics.count == 40, "the profile's"
    assert config(tmp_path, "mine.jsonl", topics={"count": 7}).topics.count == 7


def test_the_template_as_a_source(tmp_path: Path) -> None:
    sources = {"file": 0.5, "template": 0.5}
    given = template().model_dump(mode="json")
    chosen = config(
        tmp_path,
        str(write(tmp_path, GOOD)),
        prompts={
            "sources": sources,
            "expected_per_turn": 0.5,
            "completions_per_unit": 4,
            "request_openings": 0,
        },
        layout="chat_template",
        chat_template=given,
    )
    started, _ = create_or_resume(open_store(chosen.store), chosen)
    units = prompts.STAGE.units(started, 1)
    assert [(unit.source, unit.completions) for unit in units] == [
        ("template", 4),
        ("template", 4),
        ("template", 2),
    ]
    assert len({unit.seed for unit in units}) == 3
    (cap,) = prompts.caps(started)
    assert cap.at_most == 1, "4 % of 5"
    files = prompts.STAGE.texts(started)
    assert files == {"chat_template": "<|im_start|>user\n\n"}
    without = config(tmp_path, str(write(tmp_path, GOOD)), str(tmp_path), layout="headers")
    assert prompts.STAGE.texts(Run(started.store, without)) == {}


def test_turns_are_begun_as_the_constitution_s_requests(tmp_path: Path) -> None:
    def started(share: float) -> Run:
        folder = tmp_path / str(share)
        folder.mkdir()
        chosen = config(
            folder,
            str(write(folder, GOOD)),
            prompts={
                "sources": {"file": 0.5, "template": 0.5},
                "expected_per_turn": 0.5,
                "completions_per_unit": 4,
                "request_openings": share,
            },
            layout="chat_template",
            chat_template=template().model_dump(mode="json"),
        )
        return create_or_resume(open_store(chosen.store), chosen)[0]

    run = started(0.4)
    units = prompts.STAGE.units(run, 1)
    given = [opening for unit in units for opening in unit.openings]
    assert [unit.completions for unit in units] == [len(unit.openings) for unit in units]
    assert [bool(opening) for opening in given] == [False, False, True, False, True] * 2
    known = request_openings(load_constitution().declining)
    assert set(filter(None, given)) <= set(known)
    assert prompts.STAGE.units(run, 1) == units
    later = prompts.STAGE.units(started(1.0), 2)
    assert all(opening for unit in later for opening in unit.openings)
    assert prompts.STAGE.texts(run)["request_openings"].splitlines() == list(known)
    (cap,) = prompts.caps(run)
    begun = Row(
        row_id="a",
        prompt_id="a",
        status=RowStatus.ACCEPTED,
        source="template",
        instruction="How do I peel a ripe mango?",
    )
    assert cap.key(begun) == "how do i peel a ripe"
    free = started(0.0)
    assert not any(opening for unit in prompts.STAGE.units(free, 1) for opening in unit.openings)
    assert list(prompts.STAGE.texts(free)) == ["chat_template"]


def test_the_template_needs_one(tmp_path: Path) -> None:
    base = tmp_path / "model"
    base.mkdir()
    (base / "config.json").write_text("{}")
    (base / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    changes: dict[str, Any] = {"prompts": {"file": None, "sources": {"template": 1}}}
    chosen = config(tmp_path, "", str(base), **changes)
    store = open_store(chosen.store)
    with pytest.raises(ConfigError, match=r"the run has no chat template \(layout: headers\)"):
        prepare(store, chosen)
    assert list(store.list("")) == []
    (base / "chat_template.jinja").write_text(CHATML)
    prepare(store, chosen.model_copy(update={"layout": "auto"}))
