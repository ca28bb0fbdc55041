"""Near-duplicate search: speed against rouge_score (same decisions), then 50,000 and 360,000 items.

Corpora are synthetic: Zipf-distributed words, part of them in templates with a few words changed.
Run: python benchmarks/dedup.py [--quick]
"""

import argparse
import itertools
import random
import resource
import subprocess
import sys
import time
from bisect import bisect
from collections.abc import Sequence

from rouge_score import rouge_scorer

from selfalign.dedup.rouge_l import DedupResult, deduplicate

THRESHOLD = 0.7
KINDS = {
    # name: (exponent of Zipf's law, vocabulary, share of items made from templates)
    "syn": (1.0, 40_000, 0.5),
    "hard": (1.3, 20_000, 0.85),
}


def make_corpus(kind: str, size: int, seed: int = 1) -> list[str]:
    """`size` texts of 4 to 40 words, mean about 16."""
    exponent, vocabulary, templated = KINDS[kind]
    rng = random.Random(seed)
    steps = list(itertools.accumulate((rank + 2) ** -exponent for rank in range(vocabulary)))

    def words(count: int) -> list[str]:
        return [f"w{bisect(steps, rng.random() * steps[-1])}" for _ in range(count)]

    def length() -> int:
        return min(40, max(4, round(rng.lognormvariate(2.7, 0.4))))

    templates = [words(length()) for _ in range(max(20, size // 25))]
    texts = []
    for _ in range(size):
        if rng.random() < templated:
            text = list(rng.choice(templates))
            for _ in range(rng.randrange(len(text) // 2 + 1)):
                place = rng.randrange(len(text))
                text[place : place + rng.randrange(2)] = words(rng.randrange(1, 3))
        else:
            text = words(length())
        texts.append(" ".join(text))
    return texts


def reference(texts: Sequence[str]) -> tuple[list[int], int, float]:
    """(matches, pairs compared, CPU seconds) of the rouge_score package's own scorer."""
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    started = time.process_time()
    items = [scorer._tokenizer.tokenize(text) for text in texts]
    kept: list[int] = []
    matches, pairs = [], 0
    for item, tokens in enumerate(items):
        match = -1
        for other in kept:
            pairs += 1
            if rouge_scorer._score_lcs(tokens, items[other]).fmeasure > THRESHOLD:
                match = other
                break
        matches.append(match)
        if match < 0:
            kept.append(item)
    return matches, pairs, time.process_time() - started


def timed(texts: Sequence[str]) -> tuple[DedupResult, float, float]:
    """(result, wall seconds, CPU seconds)."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = deduplicate(texts, threshold=THRESHOLD)
    return result, time.perf_counter() - wall, time.process_time() - cpu


def megabytes() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare(kind: str, size: int) -> str:
    """A table row for the run against the reference."""
    texts = make_corpus(kind, size)
    result, wall, cpu = timed(texts)
    matches, pairs, reference_cpu = reference(texts)
    same = matches == result.match.tolist()
    assert same, "decisions differ from rouge_score"
    return (
        f"| {kind} | {size:,} | {int(result.kept.sum()):,} | {wall:.3f} | {cpu:.3f} | - "
        f"| {reference_cpu:.1f} ({pairs:,} pairs) | {reference_cpu / cpu:,.0f} | yes |"
    )


def measure(kind: str, size: int) -> str:
    """A table row for a size that the reference would need hours or days for."""
    texts = make_corpus(kind, size)
    before = megabytes()
    result, wall, cpu = timed(texts)
    return (
        f"| {kind} | {size:,} | {int(result.kept.sum()):,} | {wall:.2f} | {cpu:.2f} "
        f"| {megabytes():.0f} ({before:.0f} before) | - | - | - |"
    )


def main() -> None:
    """Prints the table; each row is a process of its own, so that peaks do not mix."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--row", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        how, kind, size = options.row
        deduplicate(["compile", "compile once more"])
        print({"compare": compare, "measure": measure}[how](kind, int(size)), flush=True)
        return
    plan = [("compare", "syn", 3000), ("compare", "hard", 3000)]
    plan += [("measure", kind, size) for size in (50_000, 360_000) for kind in KINDS]
    if options.quick:
        plan = [("compare", "syn", 500), ("compare", "hard", 500), ("measure", "hard", 20_000)]
    print(
        "| corpus | items | kept | wall s | CPU s | peak MiB | rouge_score CPU s | ratio | same |"
    )
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for how, kind, size in plan:
        command = [sys.executable, __file__, "--row", how, kind, str(size)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
