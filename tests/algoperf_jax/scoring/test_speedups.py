"""Speed-ups on a field worked out by hand."""

import numpy as np
import pytest
from numpy import inf, nan

from algoperf_jax.scoring.speedups import speedups


def test_misses_and_missing_data_count_as_the_budget_and_one() -> None:
    times = np.array([[50.0, 200.0], [inf, 100.0], [nan, 50.0]])
    found = speedups(times, np.array([99.0, 299.0]), reference=0)
    assert found.per_workload_SxB.tolist() == [[1.0, 1.0], [0.5, 2.0], [0.5, 4.0]]
    assert found.geometric_mean_S == pytest.approx([1.0, 1.0, 2**0.5])
    assert found.has_missing_data_S.tolist() == [False, False, True]
