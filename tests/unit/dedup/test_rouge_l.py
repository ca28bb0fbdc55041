"""deduplicate decides, matches and scores as brute force with the rouge_score package does."""

import random
import resource
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from selfalign.dedup.rouge_l import DedupResult, deduplicate
from selfalign.dedup.rouge_tokens import tokenize
from selfalign.errors import ConfigError

SCORER = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
THRESHOLDS = st.sampled_from([0.0, 0.1, 0.5, 0.6, 2 / 3, 0.7, 0.75, 0.8, 0.9, 0.99, 1.0])


def brute_force(texts: Sequence[str], seeds: Sequence[str], threshold: float) -> DedupResult:
    """The published procedure, stopping at the first match."""
    items = [SCORER._tokenizer.tokenize(text) for text in [*seeds, *texts]]
    pool = list(range(len(seeds)))
    match = np.full(len(texts), -1, np.int64)
    score = np.zeros(len(texts))
    for item in range(len(seeds), len(items)):
        for other in pool:
            value = rouge_scorer._score_lcs(items[item], items[other]).fmeasure
            if value > threshold:
                match[item - len(seeds)], score[item - len(seeds)] = other, value
                break
        else:
            pool.append(item)
    return DedupResult(match < 0, match, score)


def assert_same(texts: Sequence[str], seeds: Sequence[str] = (), threshold: float = 0.7) -> None:
    found = deduplicate(texts, seeds=seeds, threshold=threshold)
    expected = brute_force(texts, seeds, threshold)
    np.testing.assert_array_equal(found.kept, expected.kept)
    np.testing.assert_array_equal(found.match, expected.match)
    np.testing.assert_array_equal(found.score, expected.score)


def sentences(vocabulary: int, longest: int) -> st.SearchStrategy[str]:
    word = st.integers(0, vocabulary - 1).map(lambda number: f"w{number}")
    return st.lists(word, max_size=longest).map(" ".join)


@given(
    st.lists(sentences(4, 12), min_size=1, max_size=14),
    st.lists(sentences(4, 12), max_size=4),
    THRESHOLDS,
)
@settings(max_examples=300, deadline=None)
def test_small_vocabularies_with_ties(texts: list[str], seeds: list[str], threshold: float) -> None:
    assert_same(texts, seeds, threshold)


@given(st.lists(sentences(9, 30), min_size=2, max_size=10), THRESHOLDS)
@settings(max_examples=100, deadline=None)
def test_middling_vocabularies(texts: list[str], threshold: float) -> None:
    assert_same(texts, threshold=threshold)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=8), THRESHOLDS)
@settings(max_examples=200, deadline=None)
def test_any_text(texts: list[str], threshold: float) -> None:
    assert_same(texts, threshold=threshold)


@given(st.lists(st.text(alphabet="aB1é \n\tKİß-_", max_size=25), min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_awkward_letters(texts: list[str]) -> None:
    assert_same(texts)


@given(st.integers(0, 2**32), st.integers(2, 60), st.sampled_from([0.3, 0.7, 0.9]))
@settings(max_examples=25, deadline=None)
def test_long_items_that_are_variants_of_each_other(
    seed: int, vocabulary: int, threshold: float
) -> None:
    """Over 64 and 128 tokens: several words of the bit-parallel state, with carries."""
    rng = random.Random(seed)
    base = [str(rng.randrange(vocabulary)) for _ in range(rng.choice([60, 64, 65, 128, 200]))]
    texts = []
    for _ in range(8):
        words = list(base)
        for _ in range(rng.randrange(len(base))):
            words[rng.randrange(len(words))] = str(rng.randrange(vocabulary))
        texts.append(" ".join(words[: rng.randrange(1, len(words) + 1)]))
    assert_same(texts, threshold=threshold)


def test_very_long_items_take_no_memory_by_the_square() -> None:
    """100,000 tokens: masks of all of them would need a gigabyte."""
    words = [f"w{number}" for number in range(100_000)]
    texts = [" ".join(words), " ".join(words[::2]), " ".join(words[: len(words) // 3] + words[:9])]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = deduplicate(texts, threshold=0.6)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
    assert list(result.match) == [-1, 0, -1]
    assert result.score[1] == 2 * 1.0 * 0.5 / 1.5


def test_every_tie_at_seven_tenths() -> None:
    """2 LCS / (la + lb) = 7/10 exactly: the published floats call some of these above 0.7."""
    above = 0
    for first in range(1, 80):
        for second in range(1, first + 1):
            lcs, rest = divmod(7 * (first + second), 20)
            if rest or lcs > second:
                continue
            texts = [
                " ".join(["x"] * lcs + [f"a{i}" for i in range(first - lcs)]),
                " ".join(["x"] * lcs + [f"b{i}" for i in range(second - lcs)]),
            ]
            expected = brute_force(texts, (), 0.7)
            found = deduplicate(texts)
            assert list(found.kept) == list(expected.kept), (first, second, lcs)
            above += not found.kept[1]
    assert above > 20


@pytest.mark.parametrize(
    ("texts", "match"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(["", "", "¡¿!?", "猫"], [-1, -1, -1, -1], id="no tokens never match"),
        pytest.param(["a", "a", "A!", "b"], [-1, 0, 0, -1], id="one token"),
        pytest.param(["one two", "three four", "ONE, two."], [-1, -1, 0], id="case, punctuation"),
        pytest.param(["c d e f", "a b c d e f", "b c d e f"], [-1, 0, 0], id="first in order"),
        pytest.param(["naïve café", "na ve caf", "naive cafe"], [-1, 0, -1], id="accents split"),
        pytest.param(["Kelvin", "kelvin"], [-1, 0], id="the Kelvin sign is a k"),
        pytest.param(["bad \ud800 half", "bad half"], [-1, 0], id="lone surrogate"),
    ],
)
def test_cases(texts: list[str], match: list[int]) -> None:
    result = deduplicate(texts)
    assert list(result.match) == match
    assert list(result.kept) == [number < 0 for number in match]


def test_seeds_stand_before_texts_and_are_never_dropped() -> None:
    result = deduplicate(
        ["write a long poem", "sort these numbers"], seeds=["write a poem", "write a poem"]
    )
    assert list(result.match) == [0, -1]
    assert result.score[0] == SCORER.score("write a poem", "write a long poem")["rougeL"].fmeasure


def test_a_dropped_text_drops_no_other() -> None:
    """c resembles b but not a; b went, so c stays."""
    a, b, c = "k l m n o p q", "l m n o p q r", "n o p q r s t"
    result = deduplicate([a, b, c])
    assert list(result.kept) == [True, False, True]


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_out_of_range(threshold: float) -> None:
    with pytest.raises(ConfigError, match="rouge_threshold"):
        deduplicate(["a"], threshold=threshold)


@given(st.lists(st.text(max_size=30), max_size=10))
@settings(max_examples=300, deadline=None)
def test_tokens_are_the_published_ones(texts: list[str]) -> None:
    corpus = tokenize(texts)
    words: dict[int, str] = {}
    for number, text in enumerate(texts):
        ids = corpus.ids[corpus.offsets[number] : corpus.offsets[number + 1]]
        expected = SCORER._tokenizer.tokenize(text)
        assert len(ids) == len(expected)
        for token, word in zip(ids.tolist(), expected, strict=True):
            assert words.setdefault(token, word) == word
    assert len(set(words.values())) == len(words) == corpus.vocabulary


def test_a_large_vocabulary_outgrows_the_first_table() -> None:
    texts = [f"word{number} other{number}" for number in range(40_000)]
    corpus = tokenize(texts)
    assert corpus.vocabulary == 80_000
    assert len(np.unique(corpus.ids)) == 80_000
    assert deduplicate(texts).kept.all()


def test_importing_the_search_does_not_import_numba() -> None:
    code = "import sys, selfalign.dedup.rouge_l; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_where_no_cache_can_be_written_kernels_are_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import numba

    from selfalign.dedup import jit

    compile_ = numba.njit

    def njit(function: object, *, cache: bool = False, nogil: bool) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return compile_(function, nogil=nogil)

    monkeypatch.setattr(numba, "njit", njit)

    @jit.jit
    def double(number: int) -> int:
        return 2 * number

    assert double(21) == 42
