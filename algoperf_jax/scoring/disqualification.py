"""The 4x rule and the held-out rule: which times count (scoring rules, section 5)."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

Status = Literal[
    "scored",
    "no_data",
    "target_missed",
    "over_4x",
    "held_out_no_data",
    "held_out_missed",
    "held_out_over_4x",
]


class Verdict(NamedTuple):
    """What the rules make of a field.

    Attributes:
      counted___SxB: times on base workloads; infinity where one does not count.
      best___W: the fastest times, which the 4x rule compares with; infinity where nobody is.
      over___SxW: whether a time is more than r_max times the fastest.
    """

    counted___SxB: np.ndarray
    best___W: np.ndarray
    over___SxW: np.ndarray


def verdict(times___SxW: np.ndarray, parents: Sequence[int], r_max: float) -> Verdict:
    """Applies both rules, in the order of the rule book.

    1. A submission that missed the base workload, or has no data on it, has no time on its variant.
    2. A time above r_max times the fastest is a miss.
    3. A submission that missed the variant, or has no data on it, misses the base workload.

    Args:
      times___SxW: medians, base workloads first; infinity for a miss, NaN for no data.
      parents: for each held-out workload the position of its base workload.
      r_max: 4 under all rules so far; exactly that many times the fastest still counts.
    """
    times, num_held_out = times___SxW.copy(), len(parents)
    base, held_out = np.split(times, [times.shape[-1] - num_held_out], axis=-1)
    for h, parent in enumerate(parents):
        held_out[..., h][~np.isfinite(base[..., parent])] = np.inf
    best___W = np.where(np.isnan(times), np.inf, times).min(axis=-2)
    over___SxW = times > r_max * best___W[..., None, :]
    times[over___SxW] = np.inf
    for h, parent in enumerate(parents):
        base[..., parent][~np.isfinite(held_out[..., h])] = np.inf
    counted___SxB = np.where(np.isnan(base), np.inf, base)
    return Verdict(counted___SxB, best___W, over___SxW)


def statuses(
    times_SxW: np.ndarray, over_SxW: np.ndarray, parents: Sequence[int]
) -> list[list[Status]]:
    """Why each time on a base workload counts or not: the first rule that it fails.

    The base workload is looked at first, then its variants; in both missing data first, then a
    missed target, then the 4x rule.

    Args:
      times_SxW: as `verdict` takes them.
      over_SxW: as it returns them.
      parents: for each held-out workload the position of its base workload.
    """
    num_base = times_SxW.shape[-1] - len(parents)

    def status(s: int, b: int) -> Status:
        if np.isnan(times_SxW[s, b]):
            return "no_data"
        if np.isinf(times_SxW[s, b]):
            return "target_missed"
        if over_SxW[s, b]:
            return "over_4x"
        variants = [num_base + h for h, parent in enumerate(parents) if parent == b]
        if np.isnan(times_SxW[s, variants]).any():
            return "held_out_no_data"
        if np.isinf(times_SxW[s, variants]).any():
            return "held_out_missed"
        if over_SxW[s, variants].any():
            return "held_out_over_4x"
        return "scored"

    return [[status(s, b) for b in range(num_base)] for s in range(len(times_SxW))]
