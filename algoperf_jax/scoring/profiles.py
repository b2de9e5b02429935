"""Performance ratios, performance profiles and scores (scoring rules, section 6)."""

import numpy as np

TRAPEZOID_POINTS = 100
"""Points from 1 to r_max at which published scores evaluate the profile."""


def performance_ratios(counted___SxB: np.ndarray) -> np.ndarray:
    """Times in units of the fastest on each workload.

    Args:
      counted___SxB: times, infinity where one does not count.

    Returns:
      The same shape; infinity where the time is.
    """
    fastest = counted___SxB.min(axis=-2, keepdims=True)
    # A time that is not finite gets its infinity below, whatever it is divided by.
    divisor = np.where(np.isfinite(fastest), fastest, 1.0)
    return np.where(np.isfinite(counted___SxB), counted___SxB / divisor, np.inf)


def profiles(ratios___SxB: np.ndarray, taus_T: np.ndarray) -> np.ndarray:
    """The share of base workloads with a ratio of at most tau, [..., S, T]."""
    within = ratios___SxB[..., None] <= np.asarray(taus_T)
    return within.sum(axis=-2) / ratios___SxB.shape[-1]


def exact_scores(ratios___SxB: np.ndarray, r_max: float) -> np.ndarray:
    """The mean height of the profile from 1 to r_max, [..., S]: the integral of its steps."""
    area___SxB = np.clip(r_max - ratios___SxB, 0.0, None)
    return area___SxB.sum(axis=-1) / (r_max - 1.0) / ratios___SxB.shape[-1]


def trapezoid_scores(ratios___SxB: np.ndarray, r_max: float) -> np.ndarray:
    """The same by the trapezoid rule on 100 points, [..., S], as published scores are computed.

    Off by at most 0.0051 of a workload's share.
    """
    taus_T = np.linspace(1.0, r_max, TRAPEZOID_POINTS)
    return np.trapezoid(profiles(ratios___SxB, taus_T), taus_T, axis=-1) / (r_max - 1.0)
