"""What a time to target rests on: studies there are, those that hit, and how near a miss came."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from algoperf_jax.scoring.results import ScoringResults
from algoperf_jax.scoring.times import target_table

NEAR_PERCENT = 1.0
"""A miss by at most so much of the target is a near one."""


class Cell(NamedTuple):
    """A submission on a workload.

    Attributes:
      studies: with measurements.
      hits: of these, those that met the target in time.
      fastest, slowest: times of these hits, in the unit that is scored; NaN without any.
      best: the best value on the validation split within the budget; NaN where it is not known.
      short_percent: by how much of the target the best value falls short of it; 0 where it does
        not, NaN where it is not known.
    """

    studies: int
    hits: int
    fastest: float
    slowest: float
    best: float
    short_percent: float

    @property
    def mixed(self) -> bool:
        """Whether some studies hit and some did not: the median hangs on a few runs."""
        return 0 < self.hits < self.studies

    @property
    def near_miss(self) -> bool:
        """Whether no study hit, and the best one was within `NEAR_PERCENT` of the target."""
        return self.hits == 0 and self.short_percent <= NEAR_PERCENT


def cells(
    results: ScoringResults, runs: pl.DataFrame, evaluations: pl.DataFrame
) -> dict[str, tuple[Cell, ...]]:
    """The cells of each submission, one for each workload.

    Args:
      results: of the field.
      runs: of the field, as `times.study_times` takes them, with the column `run`.
      evaluations: `run`, `seconds`, `value`, of those runs that are not mere summaries.
    """
    workloads = results.protocol.workloads
    measured = _measured_studies(runs)
    best = _best_values(results, runs, evaluations)
    return {
        name: tuple(
            _cell(
                results.study_times[name][w],
                measured.get((name, workload), 0),
                *best.get((name, workload), (math.nan, math.nan)),
            )
            for w, workload in enumerate(workloads)
        )
        for name in results.submissions
    }


def counted(of: Sequence[Cell]) -> str:
    """The evidence behind a score in words: `"12 of 27 runs hit, 2 cells mixed"`."""
    hits, studies = sum(cell.hits for cell in of), sum(cell.studies for cell in of)
    mixed = sum(cell.mixed for cell in of)
    text = f"{hits} of {studies} hit"
    return f"{text}, {mixed} mixed" if mixed else text


def _cell(times_K: np.ndarray, studies: int, best: float, short: float) -> Cell:
    hits_K = times_K[np.isfinite(times_K)]
    ends = (float(hits_K.min()), float(hits_K.max())) if hits_K.size else (math.nan, math.nan)
    return Cell(studies, hits_K.size, *ends, best, short)


def _measured_studies(runs: pl.DataFrame) -> dict[tuple[str, str], int]:
    groups = runs.filter(pl.col("num_evals") > 0).group_by("submission", "workload")
    return {
        (submission, workload): count
        for submission, workload, count in groups.agg(pl.col("slot").n_unique()).iter_rows()
    }


def _best_values(
    results: ScoringResults, runs: pl.DataFrame, evaluations: pl.DataFrame
) -> dict[tuple[str, str], tuple[float, float]]:
    """The best value of each submission on each workload, and by what percentage it falls short."""
    value, sign, target = pl.col("value"), pl.col("sign"), pl.col("target")
    rows = (
        evaluations.join(runs.select("run", "submission", "workload"), on="run")
        .join(target_table(results.protocol), on="workload")
        .filter((pl.col("seconds") < pl.col("budget")) & value.is_not_nan())
        .group_by("submission", "workload")
        .agg((value * sign).max().alias("best"), sign.first(), target.first())
        .with_columns(
            (pl.max_horizontal((target * sign - pl.col("best")), 0.0) / target.abs() * 100).alias(
                "short"
            ),
            (pl.col("best") * sign).alias("best"),
        )
    )
    return {
        (submission, workload): (best, short)
        for submission, workload, best, short in rows.select(
            "submission", "workload", "best", "short"
        ).iter_rows()
    }
