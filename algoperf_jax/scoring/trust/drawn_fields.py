"""Fields in which studies are drawn anew: what of a board is luck of the draw.

The bootstrap over studies: for each submission and workload as many studies as there are, drawn
from these with replacement. With three studies it knows three times; its intervals are what the
records can say, no more.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from algoperf_jax.scoring.results import ScoringResults
from algoperf_jax.scoring.sensitivity import drawn_studies, scores
from algoperf_jax.scoring.times import median_times

DRAWS = 1000
LEVEL = 0.95

R_MAXES = (1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0)
"""Multiples of the fastest time up to which the profile is looked at."""


class DrawnFields(NamedTuple):
    """What the draws say.

    Attributes:
      times_SxWx2: where 95 % of the drawn medians lie; infinity for a miss, NaN for no data. Of
        three studies that is from the fastest to the slowest, which has the true median in 74 % of
        cases (93 % of five).
      speedups_SxBx2: where 95 % of the drawn speed-ups over the baseline lie; None without one.
      faster_SxSxB: how often the first is faster than the second on a workload; a draw in which
        both take as long, or both miss, counts half.
      better_SxS: how often the score of the first is higher than that of the second; ties half.
      ranks_SxR: how often each rank, from 1, is taken; equal scores share their ranks.
    """

    times_SxWx2: np.ndarray
    speedups_SxBx2: np.ndarray | None
    faster_SxSxB: np.ndarray
    better_SxS: np.ndarray
    ranks_SxR: np.ndarray


def drawn_fields(results: ScoringResults, *, draws: int = DRAWS, seed: int = 0) -> DrawnFields:
    """Draws fields anew.

    Args:
      results: of the field.
      draws, seed: as `sensitivity.bootstrap_scores` takes them; equal ones draw the same fields.
    """
    protocol, num_base = results.protocol, len(results.protocol.base)
    drawn = {
        name: drawn_studies(name, times, draws, seed) for name, times in results.study_times.items()
    }
    times_NxSxW = median_times(drawn)
    scores_NxS = scores(times_NxSxW, protocol.parents, protocol.rules.r_max)
    base_NxSxB = times_NxSxW[..., :num_base]
    speedups = None
    if results.baseline is not None:
        filled = np.where(np.isfinite(base_NxSxB), base_NxSxB, results.budgets_W[:num_base] + 1.0)
        reference = results.submissions.index(results.baseline)
        speedups = _interval(filled[:, reference, None, :] / filled)
    misses_NxSxB = np.where(np.isnan(base_NxSxB), np.inf, base_NxSxB)
    return DrawnFields(
        _interval(times_NxSxW),
        speedups,
        np.stack([_before(misses_NxSxB, s) for s in range(len(results.submissions))]),
        np.stack([_before(-scores_NxS, s) for s in range(len(results.submissions))]),
        _ranks(scores_NxS),
    )


def scores_by_r_max(results: ScoringResults, r_maxes: Sequence[float] = R_MAXES) -> np.ndarray:
    """Exact scores by the largest multiple of the fastest time that counts, [len(r_maxes), S]."""
    times_SxW, parents = results.times_SxW, results.protocol.parents
    return np.stack([scores(times_SxW, parents, r_max) for r_max in r_maxes])


def _interval(numbers_Nx: np.ndarray) -> np.ndarray:
    """The central interval of draws, last axis 2. Of two numbers no mean: one may be infinite."""
    tail = (1.0 - LEVEL) / 2.0
    ends = np.sort(numbers_Nx, axis=0)  # NaN comes last: a cell has it in all draws or in none
    last = len(numbers_Nx) - 1
    places = int(np.floor(tail * last)), int(np.ceil((1.0 - tail) * last))
    return np.stack([ends[place] for place in places], axis=-1)


def _before(numbers_NxSx: np.ndarray, of: int) -> np.ndarray:
    """How often the number of one is below that of each other, ties counting half."""
    own = numbers_NxSx[:, of, None]
    return (own < numbers_NxSx).mean(axis=0) + 0.5 * (own == numbers_NxSx).mean(axis=0)


def _ranks(scores_NxS: np.ndarray) -> np.ndarray:
    """The share of draws in which each rank is taken, [S, R]."""
    count = scores_NxS.shape[1]
    better = (scores_NxS[:, None, :] > scores_NxS[:, :, None]).sum(axis=-1)
    equal = (scores_NxS[:, None, :] == scores_NxS[:, :, None]).sum(axis=-1)
    ranks = np.arange(count)
    taken = (ranks >= better[..., None]) & (ranks < (better + equal)[..., None])
    return (taken / equal[..., None]).mean(axis=0)
