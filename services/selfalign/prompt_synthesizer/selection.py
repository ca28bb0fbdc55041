"""Which candidates become prompts: one global de-duplication, then exactly as many as wanted."""

from collections.abc import Sequence

from selfalign.dedup.rouge_l import deduplicate
from selfalign.filters.rejection import Rejection
from selfalign.prompt_synthesizer.candidates import Reason, shorten
from selfalign.storage.rows import Row, RowStatus, content_hash

TOPIC_GUIDED = "topic_guided"


def select(
    candidates: Sequence[Row],
    *,
    wanted: int,
    seed_texts: Sequence[str],
    threshold: float,
    topic_guided_share: float,
    run_seed: int,
) -> list[Row]:
    """All candidates in their order: at most `wanted` stay accepted, the others get a reason.

    Near-duplicates of a seed or a kept candidate (ROUGE-L F-measure of the instructions over
    `threshold`) are rejected as `near_duplicate`. Of the rest, the first ones of each source are
    accepted, `topic_guided_share` of them topic-guided; where one source has too few, the other
    fills up. What is left over is rejected as `surplus`.
    """
    # Greedy de-duplication keeps whichever of two near-duplicates comes first. Similarity is not
    # transitive, so the order decides even how many are kept: it is a hash of (run seed, row id),
    # and neither the order of arrival nor the number of workers has a say.
    order = sorted(
        (number for number, row in enumerate(candidates) if row.status is RowStatus.ACCEPTED),
        key=lambda number: (
            content_hash(str(run_seed), candidates[number].row_id),
            candidates[number].row_id,
        ),
    )
    verdicts = _near_duplicates(candidates, order, seed_texts, threshold)
    kept = [number for number in order if number not in verdicts]
    accepted = _mixed(candidates, kept, wanted, topic_guided_share)
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


def _mixed(
    candidates: Sequence[Row], kept: Sequence[int], wanted: int, topic_guided_share: float
) -> set[int]:
    """The accepted ones of `kept`, which is in the order of preference."""
    guided = [number for number in kept if candidates[number].source == TOPIC_GUIDED]
    others = [number for number in kept if candidates[number].source != TOPIC_GUIDED]
    count = min(len(guided), round(wanted * topic_guided_share))
    # More than their share where the other source cannot fill the rest.
    count = max(count, min(len(guided), wanted - len(others)))
    return {*guided[:count], *others[: wanted - count]}
