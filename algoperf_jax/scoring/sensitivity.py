"""How far a score depends on the field, on single workloads and on luck."""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from algoperf_jax.scoring.disqualification import verdict
from algoperf_jax.scoring.profiles import exact_scores, performance_ratios
from algoperf_jax.scoring.times import median_times


def scores(times___SxW: np.ndarray, parents: Sequence[int], r_max: float) -> np.ndarray:
    """Exact scores, [..., S], of medians [..., S, W] as `verdict` takes them."""
    return exact_scores(
        performance_ratios(verdict(times___SxW, parents, r_max).counted___SxB), r_max
    )


def without_workload(times_SxW: np.ndarray, parents: Sequence[int], r_max: float) -> np.ndarray:
    """Scores on all base workloads but one, [S, B]: column b leaves out b and its variants.

    With a single base workload nothing remains, which is NaN.
    """
    num_base = times_SxW.shape[-1] - len(parents)
    if num_base == 1:
        return np.full((len(times_SxW), 1), np.nan)
    columns = []
    for left_out in range(num_base):
        kept = [b for b in range(num_base) if b != left_out]
        variants = [h for h, parent in enumerate(parents) if parent != left_out]
        times = times_SxW[:, kept + [num_base + h for h in variants]]
        columns.append(scores(times, [kept.index(parents[h]) for h in variants], r_max))
    return np.stack(columns, axis=-1)


def without_submission(times_SxW: np.ndarray, parents: Sequence[int], r_max: float) -> np.ndarray:
    """Scores in the field without one submission, [S, S]: column s leaves out s, itself NaN."""
    count = len(times_SxW)
    result = np.full((count, count), np.nan)
    for left_out in range(count):
        kept = np.arange(count) != left_out
        if kept.any():
            result[kept, left_out] = scores(times_SxW[kept], parents, r_max)
    return result


def bootstrap_scores(
    study_times: Mapping[str, np.ndarray],
    parents: Sequence[int],
    r_max: float,
    *,
    draws: int,
    seed: int = 0,
) -> np.ndarray:
    """Scores of fields in which the studies are drawn anew, with replacement, [draws, S].

    Studies are drawn for each submission and workload on its own, as many as there are. The draws
    for a submission depend on its name and the seed, not on who else is in the field.

    Args:
      study_times: by submission [W, K]; NaN where a study is left out.
      parents, r_max: as in `verdict`.
      draws: how many.
      seed: of the draws.
    """
    drawn = {name: drawn_studies(name, times, draws, seed) for name, times in study_times.items()}
    return scores(median_times(drawn), parents, r_max)


def drawn_studies(submission: str, times_WxK: np.ndarray, draws: int, seed: int = 0) -> np.ndarray:
    """The times of studies that are drawn anew, [draws, W, K]; those that are left out stay so."""
    rng = np.random.default_rng([seed, zlib.crc32(submission.encode())])
    ordered_WxK = np.sort(times_WxK, axis=-1)  # NaN comes last
    there_Wx1 = np.sum(~np.isnan(times_WxK), axis=-1, keepdims=True)
    chosen = (rng.random((draws, *times_WxK.shape)) * there_Wx1).astype(int)
    drawn = np.take_along_axis(ordered_WxK[None], chosen, axis=-1)
    return np.where(np.arange(times_WxK.shape[-1]) < there_Wx1, drawn, np.nan)


def intervals(samples_NxS: np.ndarray, level: float = 0.95) -> np.ndarray:
    """The central interval of the samples, [S, 2]."""
    tail = (1.0 - level) / 2.0
    return np.quantile(samples_NxS, [tail, 1.0 - tail], axis=0).T
