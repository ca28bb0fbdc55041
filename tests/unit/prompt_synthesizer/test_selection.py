"""Selection: exactly as many as wanted, never a row lost, the same whatever the order."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfalign.prompt_synthesizer.caps import Cap, openings, per_topic
from selfalign.prompt_synthesizer.selection import select, targets
from selfalign.storage.rows import Row, RowStatus, content_hash, prompt_id


def row(number: int, instruction: str, source: str = "self_instruct", input_: str = "") -> Row:
    return Row(
        row_id=content_hash("row", str(number)),
        prompt_id=prompt_id(instruction, input_),
        status=RowStatus.ACCEPTED,
        source=source,
        instruction=instruction,
        input=input_,
    )


def distinct(count: int, source: str, start: int = 0) -> list[Row]:
    return [
        row(number, f"w{number} x{number} y{number} z{number}", source)
        for number in range(start, start + count)
    ]


def run(
    rows: list[Row],
    wanted: int,
    share: float = 0.5,
    seeds: tuple[str, ...] = (),
    caps: tuple[Cap, ...] = (),
    shares: dict[str, float] | None = None,
) -> list[Row]:
    return select(
        rows,
        wanted=wanted,
        seed_texts=seeds,
        threshold=0.7,
        shares=shares or {"self_instruct": 1 - share, "topic_guided": share},
        run_seed=1,
        caps=caps,
    )


def accepted(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.status is RowStatus.ACCEPTED]


@pytest.mark.parametrize(
    ("own", "guided", "wanted", "share", "expected"),
    [
        (20, 20, 10, 0.3, (7, 3)),
        (20, 20, 10, 0.0, (10, 0)),
        (20, 20, 10, 1.0, (0, 10)),
        (20, 2, 10, 0.5, (8, 2)),
        (2, 20, 10, 0.5, (2, 8)),
        (3, 3, 10, 0.5, (3, 3)),
        (0, 0, 10, 0.5, (0, 0)),
        (5, 5, 0, 0.5, (0, 0)),
    ],
)
def test_the_mix(
    own: int, guided: int, wanted: int, share: float, expected: tuple[int, int]
) -> None:
    rows = distinct(own, "self_instruct") + distinct(guided, "topic_guided", 100)
    result = run(rows, wanted, share)
    counts = Counter(row.source for row in accepted(result))
    assert (counts["self_instruct"], counts["topic_guided"]) == expected
    assert [row.row_id for row in result] == [row.row_id for row in rows]
    left = [row for row in result if row.status is not RowStatus.ACCEPTED]
    assert {row.reason for row in left} <= {"surplus"}
    assert len(left) == len(rows) - sum(expected)


def test_near_duplicates_name_what_they_resemble() -> None:
    rows = [
        row(1, "Write a long poem about the sea"),
        row(2, "Write a very long poem about the sea"),
        row(3, "List the rivers of Spain"),
    ]
    result = run(rows, 5, seeds=("List the rivers of Spain, please",))
    assert [r.status for r in result].count(RowStatus.ACCEPTED) == 1
    kept = accepted(result)[0]
    other = next(r for r in result[:2] if r.status is RowStatus.REJECTED)
    assert (other.reason, other.evidence) == (
        "near_duplicate",
        f"0.933 with prompt {kept.prompt_id}",
    )
    assert result[2].reason == "near_duplicate"
    assert result[2].evidence == "0.909 with the seed: List the rivers of Spain, please"


def test_the_same_instruction_with_another_input_is_a_duplicate() -> None:
    rows = [row(1, "Sort these words", input_="b a"), row(2, "Sort these words", input_="d c")]
    assert len(accepted(run(rows, 2))) == 1


def test_texts_without_tokens_are_compared_by_prompt_id() -> None:
    rows = [row(1, "なぜ空は青い"), row(2, "なぜ空は青い"), row(3, "猫はなぜ鳴く")]
    result = run(rows, 5)
    assert len(accepted(result)) == 2
    twin = next(row for row in result if row.status is RowStatus.REJECTED)
    assert (twin.reason, twin.evidence[:8]) == ("near_duplicate", "the same")


def test_rows_that_were_not_accepted_pass_unchanged() -> None:
    rows = [
        row(1, "Write a poem").rejected("too_short", "3 words"),
        row(2, "Write a poem about snow"),
    ]
    result = run(rows, 1)
    assert result[0] == rows[0]
    assert result[1] == rows[1]


SOURCES = ("self_instruct", "topic_guided", "template", "file")


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ((20, 20, 20, 20), (5, 3, 2, 10)),
        # Sources that fall short are filled up by the others.
        ((20, 20, 20, 0), None),
        ((0, 0, 0, 20), (0, 0, 0, 20)),
        ((0, 0, 1, 12), (0, 0, 1, 12)),
    ],
)
def test_the_mix_of_four_sources(there: tuple[int, ...], expected: tuple[int, ...] | None) -> None:
    rows = [
        one
        for place, (source, count) in enumerate(zip(SOURCES, there, strict=True))
        for one in distinct(count, source, 100 * place)
    ]
    shares = dict(zip(SOURCES, (0.25, 0.15, 0.1, 0.5), strict=True))
    counts = Counter(row.source for row in accepted(run(rows, 20, shares=shares)))
    assert counts.total() == min(20, sum(there))
    if expected is not None:
        assert tuple(counts[source] for source in SOURCES) == expected


@given(st.integers(0, 400), st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any))
def test_targets_add_up_and_keep_to_the_shares(wanted: int, parts: list[int]) -> None:
    shares = {source: part / sum(parts) for source, part in zip(SOURCES, parts, strict=True)}
    found = targets(wanted, shares)
    assert sum(found.values()) == wanted
    assert all(abs(found[source] - wanted * share) <= 1 for source, share in shares.items())


def test_a_prompt_of_the_users_own_never_gives_way() -> None:
    rows = [row(n, f"w{n} x{n} y{n} z{n}", "self_instruct") for n in range(20)]
    rows += [row(100 + n, f"W{n} x{n} y{n} z{n}!", "file") for n in range(20)]
    result = run(rows, 20, shares={"self_instruct": 0.5, "file": 0.5})
    assert {row.source for row in accepted(result)} == {"file"}
    assert len(accepted(result)) == 20


def test_openings_of_the_template_alone_are_capped() -> None:
    texts = [f"Can you  PLEASE w{n} x{n} y{n} z{n}?" for n in range(6)]
    rows = [row(n, text, "template") for n, text in enumerate(texts)]
    rows += [row(10 + n, f"Can you please w{n}0 x{n}0 y{n}0 z{n}0?", "file") for n in range(6)]
    result = run(rows, 20, caps=(openings(3, 2),), shares={"template": 0.5, "file": 0.5})
    assert Counter(row.source for row in accepted(result)) == {"template": 2, "file": 6}
    rejected = [row for row in result if row.status is RowStatus.REJECTED]
    assert {row.reason for row in rejected} == {"common_opening"}
    assert {row.evidence for row in rejected} == {"2 kept already: can you please"}


def test_words_that_a_turn_was_begun_with_are_no_opening_of_the_model_s() -> None:
    texts = [f"How do I w{n} x{n} y{n} z{n}?" for n in range(4)]
    texts += [f"How do I get the a{n} b{n} c{n}?" for n in range(4)]
    texts += [f"How dark the d{n} e{n} f{n}?" for n in range(4)]
    rows = [row(n, text, "template") for n, text in enumerate(texts)]
    caps = (openings(2, 2, ("How do", "How do I")),)
    result = run(rows, 20, caps=caps, shares={"template": 1.0})
    kept = Counter(one.instruction[:12] for one in accepted(result))
    assert {n: kept[n] for n in ("How do I get", "How dark the")} == {
        "How do I get": 2,
        "How dark the": 2,
    }
    assert len(accepted(result)) == 8


def test_topics_are_capped_by_type_and_topic() -> None:
    rows = [
        replace(one, question_type=f"type {n % 2}", topic="Silk")
        for n, one in enumerate(distinct(6, "topic_guided"))
    ]
    result = run(rows, 20, share=1.0, caps=(per_topic(1),))
    assert sorted(row.question_type for row in accepted(result)) == ["type 0", "type 1"]
    reasons = Counter(row.reason for row in result)
    assert reasons == {"": 2, "common_topic": 4}


_WORDS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8).map(" ".join)
_ROWS = st.lists(st.tuples(_WORDS, st.sampled_from(["self_instruct", "topic_guided"])), max_size=25)


@given(_ROWS, st.integers(0, 12), st.floats(0, 1), st.integers(0, 1000))
@settings(max_examples=150, deadline=None)
def test_nothing_is_lost_and_arrival_does_not_matter(
    texts: list[tuple[str, str]], wanted: int, share: float, shuffle: int
) -> None:
    rows = [row(number, text, source) for number, (text, source) in enumerate(texts)]
    result = run(rows, wanted, share)
    assert [row.row_id for row in result] == [row.row_id for row in rows]
    kept = accepted(result)
    assert len({row.prompt_id for row in kept}) == len(kept) <= wanted
    surplus = sum(row.reason == "surplus" for row in result)
    assert len(kept) == min(wanted, len(kept) + surplus)
    mixed = list(rows)
    random.Random(shuffle).shuffle(mixed)
    again = {row.row_id: row for row in run(mixed, wanted, share)}
    assert all(again[row.row_id] == row for row in result)
