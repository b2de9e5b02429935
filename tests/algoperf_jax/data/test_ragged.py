"""Arithmetic on ragged rows, against plain loops."""

import numpy as np

from algoperf_jax.data.ragged import places, ranges

STARTS, COUNTS = np.array([5, 0, 9, 2]), np.array([3, 0, 1, 2])


def test_ranges_follow_each_other():
    expected = [i for a, n in zip(STARTS, COUNTS, strict=True) for i in range(a, a + n)]
    assert ranges(STARTS, COUNTS).tolist() == expected
    assert places(COUNTS).tolist() == [i for n in COUNTS for i in range(n)]


def test_nothing_gives_nothing():
    nothing = np.empty(0, np.int64)
    assert ranges(nothing, nothing).size == places(nothing).size == 0
