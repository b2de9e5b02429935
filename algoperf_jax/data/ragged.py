"""Arithmetic on rows of different lengths that lie one after the other."""

import numpy as np


def ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns `arange(start, start + count)` for all pairs of the two, one after the other.

    Args:
      starts, counts: integers `[n]`; counts are not negative.

    Returns:
      int64 `[sum(counts)]`.
    """
    return np.repeat(starts, counts) + places(counts)


def places(counts: np.ndarray) -> np.ndarray:
    """Returns 0..counts[0]-1, 0..counts[1]-1 and so on, one after the other, int64."""
    total = int(counts.sum())
    return np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
