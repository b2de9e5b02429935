"""Time against steps: who gains by fewer steps, who by faster ones, and what evaluations take."""

import math
import zlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from algoperf_jax.errors import UserError
from algoperf_jax.scoring import csv_numbers
from algoperf_jax.scoring.reading import EVALUATIONS, text_of_log
from algoperf_jax.scoring.results import ScoringResults, results_of

NO_DRAWS = 1
"""Of a bootstrap that nobody looks at."""


class Pace(NamedTuple):
    """The pace of a field.

    Attributes:
      seconds_per_step_SxW: submission time over steps at the last evaluation, the median of a
        submission's runs; NaN where no evaluation is at hand.
      evaluation_share_SxW: the share of evaluations in submission time and evaluations together,
        likewise; NaN where records do not tell.
      by_steps: the same field scored by steps.
    """

    seconds_per_step_SxW: np.ndarray
    evaluation_share_SxW: np.ndarray
    by_steps: ScoringResults


def pace(
    results: ScoringResults,
    runs: pl.DataFrame,
    evaluations: pl.DataFrame,
    studies: Mapping[str, int] | None = None,
) -> Pace:
    """The pace of a field.

    Args:
      results: of the field.
      runs: as `results.results_of` takes them, with `run`, `file` and `form`.
      evaluations: `run`, `step`, `seconds`.
      studies: as `results.results_of` takes it.
    """
    last = (
        evaluations.sort("seconds")
        .group_by("run")
        .agg(pl.col("step", "seconds").last())
        .filter(pl.col("step") > 0)
        .select("run", (pl.col("seconds") / pl.col("step")).alias("number"))
    )
    by_steps = results_of(
        runs,
        results.protocol,
        time="steps",
        trial_choice=results.trial_choice,
        studies=studies,
        missing=results.missing,
        draws=NO_DRAWS,
    )
    return Pace(
        _medians(results, runs, last), _medians(results, runs, evaluation_shares(runs)), by_steps
    )


def evaluation_shares(runs: pl.DataFrame) -> pl.DataFrame:
    """Of the runs in log trees that tell: `run`, and `number`, the share of evaluations."""
    own, evals = "accumulated_submission_time", "accumulated_eval_time"
    told: dict[int, float] = {}
    for run, folder in runs.filter(pl.col("form") == "folder").select("run", "file").iter_rows():
        try:
            text = csv_numbers.plain(text_of_log(f"{folder}/{EVALUATIONS}"))
        except (OSError, EOFError, zlib.error):
            continue  # reading the records has complained
        rows = csv_numbers.table(text, {own: pl.Float64, evals: pl.Float64}, ()).rows
        if rows.height and (total := rows[own][-1] + rows[evals][-1]) > 0:
            told[run] = rows[evals][-1] / total
    schema = {"run": pl.UInt32, "number": pl.Float64}
    return pl.DataFrame({"run": list(told), "number": list(told.values())}, schema=schema)


def _medians(results: ScoringResults, runs: pl.DataFrame, numbers: pl.DataFrame) -> np.ndarray:
    groups = (
        numbers.join(runs.select("run", "submission", "workload"), on="run")
        .group_by("submission", "workload")
        .agg(pl.col("number").median())
    )
    found = {(submission, workload): x for submission, workload, x in groups.iter_rows()}
    return np.array(
        [
            [found.get((name, workload), math.nan) for workload in results.protocol.workloads]
            for name in results.submissions
        ]
    )


def check_named(results: ScoringResults, name: str) -> int:
    """The position of a submission; a `UserError` lists those there are."""
    if name not in results.submissions:
        raise UserError(
            f"no submission is called {name!r}; there are {', '.join(results.submissions)}"
        )
    return results.submissions.index(name)
