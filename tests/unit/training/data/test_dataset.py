"""From a finished stage to the token cache: counts, order, digest, and what a kill leaves."""

import json
import pickle
import random
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from selfalign.errors import DataError, StageError
from selfalign.storage.manifest import Manifest, write_manifest
from selfalign.storage.open import open_store
from selfalign.storage.rows import Row, RowStatus
from selfalign.storage.tables import create_part, part_name
from selfalign_training.configuration.reading import load_config
from selfalign_training.configuration.training_config import TrainingConfig
from selfalign_training.data.dataset import Dataset, Sources, find_sources, load_dataset
from selfalign_training.data.source import Source
from selfalign_training.data.token_cache import Share, TokenCache
from selfalign_training.launch.place import Place
from support.training_data import byte_tokenizer, finish_stage


@pytest.fixture
def config(config_file: Path, values: dict[str, Any], tmp_path: Path) -> TrainingConfig:
    loaded = load_config(config_file)
    data = loaded.data.model_copy(update={"store": str(tmp_path / "store")})
    return loaded.model_copy(
        update={"data": data, "work_dir": tmp_path / "work", "max_length": 200}
    )


def row(name: str, answer: str = "Yes.", status: RowStatus = RowStatus.ACCEPTED) -> Row:
    return Row(
        row_id=name,
        prompt_id=name,
        status=status,
        instruction=f"Is it {name}?",
        answer=answer,
        complete=True,
    )


def finish(config: TrainingConfig, *units: list[Row]) -> None:
    finish_stage(open_store(config.data.store), config.data.stage_prefix, units)


def load(config: TrainingConfig, place: Place | None = None) -> Dataset:
    return load_dataset(config, find_sources(config), byte_tokenizer(), place or Place())


def member(rank: int, world: int) -> Place:
    return Place(rank=rank, world_size=world, local_rank=rank, local_world_size=world)


def ids(dataset: Dataset) -> list[str]:
    return [example.prompt_id for example in dataset]


def test_accepted_rows_are_there_in_the_order_of_their_ids(config: TrainingConfig) -> None:
    rejected = row("d").rejected("refusal", "no")
    empty, overlong = row("e", answer=" \n"), row("f", answer="word " * 40)
    finish(config, [row("c"), rejected, empty], [row("b"), row("a", "N")], [overlong])
    dataset = load(config)
    assert ids(dataset) == ["a", "b", "c"]
    (first, *_) = dataset
    text = "# Assistant\nIs it a?\n\n### Assistant\nN</s>"
    assert byte_tokenizer().decode(first.input_ids) == text
    assert first.labels == [-100] * (len(text) - 5) + list(first.input_ids)[-2:]
    lengths = dataset.tokens.lengths.tolist()
    assert lengths == [len(example.input_ids) for example in dataset]
    # "Yes." is three bytes longer than "N"; the overlong answer has 200 where "N" has one.
    assert dataset.counts() == {
        "rows": 5,
        "extra_rows": 0,
        "sequences": 3,
        "dropped_empty": 1,
        "dropped_markup": 0,
        "dropped_overlong": 1,
        "tokens": sum(lengths),
        "trained_tokens": 3 * len(["</s>"]) + 2 * len("Yes.") + 1,
        "longest": lengths[1],
        "shortest_overlong": lengths[0] + 199,
        "longest_overlong": lengths[0] + 199,
    }
    assert "1 of 5 rows are longer than max_length 200" in dataset.rows.overlong_note(200)


def test_an_answer_that_the_tokenizer_drops_is_counted_as_empty(config: TrainingConfig) -> None:
    from tokenizers import normalizers

    tokenizer = byte_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("\u200b", "")
    finish(config, [replace(row("a", "\u200b"), complete=False), row("b")])
    dataset = load_dataset(config, find_sources(config), tokenizer, Place())
    assert ids(dataset) == ["b"]
    assert dataset.counts()["dropped_empty"] == 1


@pytest.mark.parametrize(
    ("spelled", "dropped"),
    [
        (row("b", "Yes.</s> And on."), 1),
        (replace(row("b"), instruction="What does </s> mean?"), 1),
        (replace(row("b"), input="</s>"), 1),
        (row("b", "Yes. <b>Bold</b> and </ s>."), 0),
    ],
)
def test_a_control_token_that_is_spelled_out_is_no_text(
    config: TrainingConfig, spelled: Row, dropped: int
) -> None:
    """It would be the token: the end of the turn, in the middle of what is learnt."""
    finish(config, [row("a"), spelled])
    counts = load(config).counts()
    assert (counts["rows"], counts["sequences"]) == (2, 2 - dropped)
    assert counts["dropped_markup"] == dropped


def test_a_row_that_was_tried_again_counts_once(config: TrainingConfig) -> None:
    store, prefix = open_store(config.data.store), config.data.stage_prefix
    failed = replace(row("b"), status=RowStatus.FAILED)
    parts = [
        create_part(store, f"{prefix}/{part_name(0)}", [row("a"), failed, row("c", "old")]),
        create_part(store, f"{prefix}/{part_name(0, 2)}", [replace(row("b", "new"), attempt=2)]),
        create_part(
            store,
            f"{prefix}/{part_name(0, 10)}",
            [replace(row("c").rejected("refusal", ""), attempt=10)],
        ),
    ]
    write_manifest(store, prefix, Manifest(stage="align", accepted=2, parts=tuple(parts)))
    dataset = load(config)
    assert ids(dataset) == ["a", "b"]
    assert "new" in byte_tokenizer().decode(list(dataset)[1].input_ids)


def test_extra_rows_are_counted_apart(config: TrainingConfig, tmp_path: Path) -> None:
    finish(config, [row("a"), row("b")])
    extra = tmp_path / "identity.jsonl"
    lines = [{"instruction": "Who?", "answer": answer} for answer in ("I.", "You.", "w" * 300)]
    extra.write_text("\n".join(map(json.dumps, lines)))
    data = config.data.model_copy(update={"extra_rows": str(extra)})
    dataset = load(config.model_copy(update={"data": data}))
    counts = dataset.counts()
    assert (counts["rows"], counts["extra_rows"], counts["sequences"]) == (2, 3, 4)
    assert counts["dropped_overlong"] == 1
    assert sum(name.startswith("extra-") for name in ids(dataset)) == 2
    assert dataset.digest() != load(config).digest()
    extra.write_text('{"instruction": "Who?"}')
    with pytest.raises(DataError, match=r"identity\.jsonl: line 1: answer"):
        find_sources(config.model_copy(update={"data": data}))


def many(seed: int, units: int) -> list[list[Row]]:
    rng = random.Random(seed)
    rows = [row(f"p{number:04}", "word " * rng.randint(1, 20)) for number in range(700)]
    rng.shuffle(rows)
    return [rows[at::units] for at in range(units)]


@pytest.mark.parametrize("world", [1, 3])
def test_ranks_share_the_work_and_see_the_same(config: TrainingConfig, world: int) -> None:
    units = many(1, units=4)
    finish(config, *units)
    read: list[int] = []
    sources = find_sources(config)

    def build(rank: int) -> Dataset:
        def counted(share: Share) -> Iterable[Source]:
            read.append(rank)
            return share.read()

        shares = tuple(
            Share(share.name, share.extra, partial(counted, share)) for share in sources.shares
        )
        mine = Sources(shares, sources.digests)
        return load_dataset(config, mine, byte_tokenizer(), member(rank, world))

    with ThreadPoolExecutor(world) as pool:
        found = list(pool.map(build, range(world)))
    assert sorted(read) == {1: [0, 0, 0, 0], 3: [0, 0, 1, 2]}[world]
    expected = sorted(item.prompt_id for unit in units for item in unit)
    for dataset in found:
        assert ids(dataset) == expected
        assert dataset.counts() == found[0].counts()
        assert dataset.digest() == found[0].digest()
    assert sorted(path.name for path in found[0].folder.iterdir()) == [
        "counts.json",
        "sequences.arrow",
    ]


def test_the_digest_is_of_the_data_alone(config: TrainingConfig) -> None:
    finish(config, *many(1, units=2))
    again = config.model_copy(
        update={"data": config.data.model_copy(update={"stage_prefix": "demo/again"})}
    )
    rows = [item for unit in many(1, units=2) for item in unit]
    finish(again, rows[:1], rows[1:500], rows[500:])
    first, second = load(config), load(again)
    assert first.digest() == second.digest()
    assert first.folder != second.folder
    changed = config.model_copy(
        update={"layout": config.layout.model_copy(update={"end_of_turn": "marker"})}
    )
    assert load(changed).digest() != first.digest()


def test_a_whole_cache_is_used_and_a_half_one_made_whole(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(config, [row("a")], [row("b")], [row("c")])
    join = TokenCache._join

    def killed(self: TokenCache, names: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TokenCache, "_join", killed)
    with pytest.raises(KeyboardInterrupt):
        load(config)
    (units,) = config.work_dir.glob("tokens-*/node-0")
    # The second unit was not whole: its counts, which are written last, are missing.
    (units / "unit-00001.json").unlink()
    (units / "unit-00001.arrow").write_bytes(b"torn")
    (units.parent / "sequences.arrow").write_bytes(b"torn")
    monkeypatch.setattr(TokenCache, "_join", join)
    dataset = load(config)
    assert ids(dataset) == ["a", "b", "c"]
    # Nothing is read a second time, so the store may be gone.
    sources = find_sources(config)
    for part in Path(config.data.store).rglob("*.parquet"):
        part.unlink()
    assert ids(load_dataset(config, sources, byte_tokenizer(), Place())) == ["a", "b", "c"]


def test_other_processes_map_the_file_anew(config: TrainingConfig) -> None:
    finish(config, *many(1, units=1))
    tokens = load(config).tokens
    data = pickle.dumps(tokens)
    assert len(data) < 1000
    assert pickle.loads(data)[699] == tokens[699]
    with pytest.raises(IndexError):
        tokens[700]


def test_a_rank_that_never_comes_is_not_waited_for_without_end(config: TrainingConfig) -> None:
    finish(config, [row("a")], [row("b")])
    hasty = config.model_copy(update={"process_group_timeout_s": 0.1})
    with pytest.raises(StageError, match=r"rank 0 waited 0 s for .*unit-00001\.json"):
        load(hasty, member(0, 2))
    with pytest.raises(StageError, match=r"rank 1 waited 0 s for .*counts\.json"):
        load(hasty, member(1, 2))


def test_what_is_wrong_with_a_stage_is_named(config: TrainingConfig) -> None:
    with pytest.raises(DataError, match=r"no accepted rows .*data\.stage_prefix.* no manifest"):
        find_sources(config)
    finish(config, [row("a").rejected("refusal", "")])
    with pytest.raises(DataError, match=r"no accepted rows .* its manifest counts none"):
        find_sources(config)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PAR1torn", r"digest mismatch: the manifest says [0-9a-f]{16}\.\.\., the part has"),
        (None, "demo/align/part-00000.parquet"),
    ],
)
def test_a_part_that_is_not_what_the_manifest_says(
    config: TrainingConfig, content: bytes | None, message: str
) -> None:
    finish(config, [row("a")])
    part = Path(config.data.store, config.data.stage_prefix, part_name(0))
    if content is None:
        part.unlink()
    else:
        part.write_bytes(content)
    with pytest.raises(Exception, match=message):
        load(config)


def test_two_rows_of_one_id_are_refused(config: TrainingConfig) -> None:
    finish(config, [row("a"), row("b")], [row("b")])
    with pytest.raises(DataError, match="prompt_id b comes twice"):
        load(config)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("a")], r"none of 1 rows .* 1 rows are longer than max_length 20 .* shortest has \d+"),
        ([row("a", "")], r"none of 1 rows .* 1 answers are empty"),
    ],
)
def test_nothing_left_is_an_error(config: TrainingConfig, rows: list[Row], message: str) -> None:
    finish(config, rows)
    with pytest.raises(DataError, match=message):
        load(config.model_copy(update={"max_length": 20}))
