"""Which candidates become prompts: one global de-duplication, then exactly as many as wanted."""

from collections import Counter
from collections.abc import Mapping, Sequence

from selfalign.dedup.rouge_l import deduplicate
from selfalign.filters.rejection import Rejection
from selfalign.prompt_synthesizer.candidates import Reason, shorten
from selfalign.prompt_synthesizer.caps import Cap
from selfalign.prompt_synthesizer.file_rows import FILE
from selfalign.storage.rows import Row, RowStatus, content_hash


def select(
    candidates: Sequence[Row],
    *,
    wanted: int,
    seed_texts: Sequence[str],
    threshold: float,
    shares: Mapping[str, float],
    run_seed: int,
    caps: Sequence[Cap] = (),
) -> list[Row]:
    """All candidates in their order: at most `wanted` stay accepted, the others get a reason.

    Near-duplicates of a seed or a kept candidate (ROUGE-L F-measure of the instructions over
    `threshold`) are rejected as `near_duplicate`; a prompt of the user's own file never gives way
    to one that a model wrote. Then `caps` reject what is alike otherwise. Of the rest, the first
    ones of each source are accepted, by `shares`; where one source has too few, the others fill
    up. What is left over is rejected as `surplus`.

    Args:
        shares: Source -> its share of the accepted prompts; they add up to 1.
    """
    # Greedy de-duplication keeps whichever of two near-duplicates comes first. Similarity is not
    # transitive, so the order decides even how many are kept: it is a hash of (run seed, row id),
    # and neither the order of arrival nor the number of workers has a say.
    order = sorted(
        (number for number, row in enumerate(candidates) if row.status is RowStatus.ACCEPTED),
        key=lambda number: (
            candidates[number].source != FILE,
            content_hash(str(run_seed), candidates[number].row_id),
            candidates[number].row_id,
        ),
    )
    verdicts = _near_duplicates(candidates, order, seed_texts, threshold)
    for cap in caps:
        verdicts |= _over_cap(
            candidates, [number for number in order if number not in verdicts], cap
        )
    kept = [number for number in order if number not in verdicts]
    accepted = _mixed(candidates, kept, wanted, shares)
    evidence = f"{wanted} prompts wanted, {len(kept)} candidates left after de-duplication"
    for number in kept:
        if number not in accepted:
            verdicts[number] = Rejection(Reason.SURPLUS, evidence)
    return [
        row.rejected(str(verdicts[number].reason), verdicts[number].evidence)
        if number in verdicts
        else row
        for number, row in enumerate(candidates)
    ]


def _near_duplicates(
    candidates: Sequence[Row], order: Sequence[int], seed_texts: Sequence[str], threshold: float
) -> dict[int, Rejection]:
    """Number of a candidate -> why it is a duplicate.

    `found.match` and `found.score` are arrays of shape (len(order),): for each text the first seed
    or kept text that it is too similar to, and their F-measure. Matches below len(seed_texts) count
    seeds, those above count places in `order`, and -1 stands for none.
    """
    texts = [candidates[number].instruction for number in order]
    found = deduplicate(texts, seeds=seed_texts, threshold=threshold)
    verdicts: dict[int, Rejection] = {}
    first_with: dict[str, int] = {}
    for place, number in enumerate(order):
        row = candidates[number]
        match = int(found.match[place])
        if match >= len(seed_texts):
            other = candidates[order[match - len(seed_texts)]]
            evidence = f"{found.score[place]:.3f} with prompt {other.prompt_id}"
        elif match >= 0:
            evidence = f"{found.score[place]:.3f} with the seed: {shorten(seed_texts[match])}"
        elif row.prompt_id in first_with:
            # Texts without a Latin letter or digit have no tokens: ROUGE never matches them.
            evidence = f"the same text as row {candidates[first_with[row.prompt_id]].row_id}"
        else:
            first_with[row.prompt_id] = number
            continue
        verdicts[number] = Rejection(Reason.NEAR_DUPLICATE, evidence)
    return verdicts


def _over_cap(candidates: Sequence[Row], kept: Sequence[int], cap: Cap) -> dict[int, Rejection]:
    """Number of a candidate -> why there are enough of its like."""
    seen: Counter[str] = Counter()
    verdicts: dict[int, Rejection] = {}
    for number in kept:
        key = cap.key(candidates[number])
        if key is None:
            continue
        if seen[key] == cap.at_most:
            evidence = f"{cap.at_most} kept already: {shorten(key)}"
            verdicts[number] = Rejection(cap.reason, evidence)
        else:
            seen[key] += 1
    return verdicts


def _mixed(
    candidates: Sequence[Row], kept: Sequence[int], wanted: int, shares: Mapping[str, float]
) -> set[int]:
    """The accepted ones of `kept`, which is in the order of preference."""
    left = targets(wanted, shares)
    accepted: set[int] = set()
    for number in kept:
        source = candidates[number].source
        if left.get(source, 0) > 0:
            left[source] -= 1
            accepted.add(number)
    # More than their share where another source has too few.
    others = [number for number in kept if number not in accepted]
    return accepted.union(others[: wanted - len(accepted)])


def targets(wanted: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many prompts each source is to give, `wanted` in sum; no one is more than 1 off."""
    counts: dict[str, int] = {}
    sum_of_shares = 0.0
    for source, share in sorted(shares.items(), reverse=True):
        sum_of_shares += share
        counts[source] = round(wanted * sum_of_shares) - sum(counts.values())
    return counts
