"""The validation metric of each run against its submission time."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from algoperf_jax.scoring.protocol import ScoringProtocol, Time


class Curve(NamedTuple):
    """One run.

    Attributes:
      submission, workload, study, trial: which one.
      seconds_N: submission time of its evaluations, ascending.
      values_N: the target metric on the validation split; NaN where it is missing.
      at_target: index of the evaluation that met the target within the budget; None for a miss.
      time_at_target: its time in the unit that is scored, seconds or steps; infinity for a miss.
    """

    submission: str
    workload: str
    study: int
    trial: int
    seconds_N: np.ndarray
    values_N: np.ndarray
    at_target: int | None
    time_at_target: float


def curves(runs: pl.DataFrame, evaluations: pl.DataFrame, time: Time = "seconds") -> list[Curve]:
    """A curve for each run whose evaluations are at hand, by submission, workload, study, trial.

    Args:
      runs: as `times.study_times` takes them, with the column `run`.
      evaluations: `run`, `step`, `seconds`, `value`; in any order.
      time: what is scored.
    """
    ordered = evaluations.sort("run", "seconds", "step")
    parts = ordered.partition_by("run", as_dict=True, maintain_order=True)
    result = []
    for row in runs.sort("submission", "workload", "study", "trial").iter_rows(named=True):
        part = parts.get((row["run"],))
        if part is not None:
            result.append(
                Curve(
                    row["submission"],
                    row["workload"],
                    row["study"],
                    row["trial"],
                    part["seconds"].to_numpy(),
                    part["value"].to_numpy(),
                    row["eval_index"],
                    row["seconds" if time == "seconds" else "step"],
                )
            )
    return result


def counted_curve(
    own: Sequence[Curve], study_times_K: np.ndarray, protocol: ScoringProtocol
) -> Curve | None:
    """The curve that stands for a submission on a workload: that of the run with the median time.

    Of an even number of studies it is the later of the two in the middle. Where the median is a
    miss, it is the run with the best value.

    Args:
      own: curves of the submission on the workload.
      study_times_K: times of its studies, as `times.study_times` gives them.
      protocol: directions of the targets.
    """
    if not own:
        return None
    there_K = study_times_K[~np.isnan(study_times_K)]
    middle = np.sort(there_K)[len(there_K) // 2] if there_K.size else math.nan
    if math.isfinite(middle):
        for curve in own:
            if curve.time_at_target == middle:
                return curve
    target = protocol.facts[own[0].workload].target
    sign = 1.0 if target.direction == "max" else -1.0

    def best(curve: Curve) -> float:
        known = curve.values_N[~np.isnan(curve.values_N)] * sign
        return known.max() if known.size else -math.inf

    return max(own, key=best)
