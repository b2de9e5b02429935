"""Speed-ups over one submission (scoring rules, section 7)."""

from typing import NamedTuple

import numpy as np


class Speedups(NamedTuple):
    """How much faster each submission is than the one compared with; 2 is twice as fast.

    Attributes:
      per_workload_SxB: time of that one over one's own.
      geometric_mean_S: over the base workloads.
      has_missing_data_S: whether a workload without any measurement took part, as a miss.
    """

    per_workload_SxB: np.ndarray
    geometric_mean_S: np.ndarray
    has_missing_data_S: np.ndarray


def speedups(times_SxB: np.ndarray, budgets_B: np.ndarray, reference: int) -> Speedups:
    """Speed-ups from medians before any disqualification.

    Args:
      times_SxB: infinity for a miss, NaN for no data; both count as the budget and 1 more.
      budgets_B: budget of a run, in the unit of the times.
      reference: position of the submission to compare with.
    """
    filled_SxB = np.where(np.isfinite(times_SxB), times_SxB, budgets_B + 1.0)
    per_workload_SxB = filled_SxB[reference] / filled_SxB
    return Speedups(
        per_workload_SxB,
        np.exp(np.log(per_workload_SxB).mean(axis=-1)),
        np.isnan(times_SxB).any(axis=-1),
    )
