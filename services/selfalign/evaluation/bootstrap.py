"""Percentile bootstrap intervals of means and shares."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from selfalign.evaluation.results import IntervalEstimate

# Bounds the memory of one block of resamples.
BLOCK_DRAWS = 2_000_000


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How intervals are drawn: equal settings and data give equal intervals."""

    samples: int = 2000
    confidence: float = 0.95
    seed: int = 0

    def mean(
        self, values: Sequence[float], clusters: Sequence[Hashable] | None = None
    ) -> IntervalEstimate | None:
        """The mean and its interval; None without values.

        Args:
            values: One for each item, of any finite size.
            clusters: The group of each item. Whole groups are then resampled: items that share a
                prompt are not independent, and an interval that ignored it would be too narrow.
        """
        if not values:
            return None
        # Both of shape (clusters,); a resample draws that many of them with replacement.
        sums, counts = _by_cluster(values, clusters)
        rng = np.random.default_rng(self.seed)
        block = max(1, BLOCK_DRAWS // len(sums))
        means = []
        for start in range(0, self.samples, block):
            size = (min(block, self.samples - start), len(sums))  # (resamples, clusters)
            drawn = rng.integers(0, len(sums), size=size)
            # A ratio of sums, not a mean of means: clusters of unequal size weigh by their items.
            means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
        value = float(np.sum(sums) / np.sum(counts))
        return self._estimate(value, np.concatenate(means), len(values))

    def share(self, hits: int, total: int) -> IntervalEstimate | None:
        """The share hits/total of independent items; None without items.

        The mean of a resample of zeros and ones is binomial, so that it is drawn directly: the
        cost does not grow with `total`.
        """
        if total == 0:
            return None
        value = hits / total
        means = np.random.default_rng(self.seed).binomial(total, value, self.samples) / total
        return self._estimate(value, means, total)

    def _estimate(self, value: float, means: "np.ndarray", n: int) -> IntervalEstimate:
        tail = (1.0 - self.confidence) / 2.0
        low, high = np.quantile(means, (tail, 1.0 - tail))
        # Rounding must not put the mean outside its own interval.
        return IntervalEstimate(
            value=value, low=min(float(low), value), high=max(float(high), value), n=n
        )


def _by_cluster(
    values: Sequence[float], clusters: Sequence[Hashable] | None
) -> "tuple[np.ndarray, np.ndarray]":
    """Sum and count of each cluster, both of shape (clusters,), in order of first appearance.

    Without clusters every value is one of its own.
    """
    array = np.asarray(values, dtype=np.float64)
    if clusters is None:
        return array, np.ones(len(array))
    number: dict[Hashable, int] = {}
    index = np.asarray([number.setdefault(cluster, len(number)) for cluster in clusters])
    return np.bincount(index, weights=array), np.bincount(index).astype(np.float64)
