"""One field's results with title, notices, names and curves."""

import dataclasses
from collections.abc import Mapping

import polars as pl

from algoperf_jax.scoring.curves import Curve
from algoperf_jax.scoring.input_warnings import InputWarning
from algoperf_jax.scoring.results import ScoringResults
from algoperf_jax.scoring.submission_info import SubmissionInfo
from algoperf_jax.scoring.trust.evidence import Cell
from algoperf_jax.scoring.trust.summary import Trust


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
      cells: what each time rests on: by submission, one for each workload.
      trust: how far the scores can be trusted; None where that was not asked for.
      sources: files, and folders of trials, that the runs were read from.
      published: names of the submissions of the published field; empty without it.
      curves: of the runs whose evaluations are at hand.
    """

    results: ScoringResults
    scale: str
    title: str
    notices: tuple[str, ...]
    warnings: tuple[InputWarning, ...]
    infos: Mapping[str, SubmissionInfo]
    cells: Mapping[str, tuple[Cell, ...]]
    trust: Trust | None = None
    sources: tuple[str, ...] = ()
    published: frozenset[str] = frozenset()
    curves: tuple[Curve, ...] = ()


def frameworks(runs: pl.DataFrame) -> dict[str, str]:
    """The framework of each submission in a table of runs, sorted by name of the submission.

    One that has several, on different workloads, has their names joined.
    """
    groups = runs.group_by("submission").agg(pl.col("framework").unique().sort()).sort("submission")
    return {name: " and ".join(filter(None, found)) for name, found in groups.iter_rows()}


def ranked(s: ScoringResults) -> list[tuple[str, int]]:
    """Names by rank, with their positions in the arrays of the results."""
    return [(name, s.submissions.index(name)) for name in s.ranking]
