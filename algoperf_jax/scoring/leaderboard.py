"""One field's results with title, notices, names and curves."""

import dataclasses
from collections.abc import Mapping

import polars as pl

from algoperf_jax.scoring.curves import Curve
from algoperf_jax.scoring.input_warnings import InputWarning
from algoperf_jax.scoring.results import ScoringResults
from algoperf_jax.scoring.submission_info import SubmissionInfo


@dataclasses.dataclass(frozen=True)
class Leaderboard:
    """The results of one tuning rule, ready to be shown.

    Attributes:
      results: the numbers.
      scale: `"full"` or `"mini"`.
      title: one line with rules, scale, unit of time and numbers of runs and submissions.
      notices: for readers of the scores, one line each.
      warnings: about skipped input.
      infos: by submission, for all of those in the results.
      published: names of the submissions of the published field; empty without it.
      curves: of the runs whose evaluations are at hand.
    """

    results: ScoringResults
    scale: str
    title: str
    notices: tuple[str, ...]
    warnings: tuple[InputWarning, ...]
    infos: Mapping[str, SubmissionInfo]
    published: frozenset[str] = frozenset()
    curves: tuple[Curve, ...] = ()


def frameworks(runs: pl.DataFrame) -> dict[str, str]:
    """The framework of each submission in a table of runs, sorted by name of the submission.

    One that has several, on different workloads, has their names joined.
    """
    groups = runs.group_by("submission").agg(pl.col("framework").unique().sort()).sort("submission")
    return {name: " and ".join(filter(None, found)) for name, found in groups.iter_rows()}
