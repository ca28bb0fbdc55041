"""Length distributions as curves over common bins."""

from collections.abc import Mapping, Sequence

from selfalign.evaluation.scales import quantile, ticks

BINS = 40


def length_curves(
    lengths: Mapping[str, Sequence[int]], bins: int = BINS
) -> dict[str, list[tuple[float, float]]]:
    """For each name (bin's middle, share of its values in the bin), all over the same bins.

    The range ends at the 99th percentile of all values, so that a few giants do not flatten the
    rest; what is longer counts in the last bin.
    """
    values = sorted(value for each in lengths.values() for value in each)
    if not values:
        return {}
    end = max(ticks(0, max(quantile(values, 0.99), 10), 8)[-1], 1)
    width = end / bins
    curves = {}
    for name, each in lengths.items():
        if not each:
            continue
        counts = [0] * bins
        for value in each:
            counts[min(bins - 1, int(value / width))] += 1
        curves[name] = [
            ((index + 0.5) * width, count / len(each)) for index, count in enumerate(counts)
        ]
    return curves
