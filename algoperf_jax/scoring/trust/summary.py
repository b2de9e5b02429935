"""Everything about how far a field's scores can be trusted, in one record."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import polars as pl

from algoperf_jax.scoring.results import ScoringResults
from algoperf_jax.scoring.trust.drawn_fields import DrawnFields, drawn_fields, scores_by_r_max
from algoperf_jax.scoring.trust.pace import Pace, pace
from algoperf_jax.scoring.trust.pairs import Comparison, pair
from algoperf_jax.scoring.trust.relaxation import Relaxation, relaxation


@dataclasses.dataclass(frozen=True)
class Trust:
    """How far the scores of a field can be trusted.

    Attributes:
      drawn: fields with studies drawn anew.
      by_r_max: scores for each of `drawn_fields.R_MAXES`, [., S].
      relaxation: scores under relaxed targets; None where runs are known by summaries alone.
      pace: time against steps.
      pair: comparisons of the two submissions asked for, if any.
      paired: their names.
    """

    drawn: DrawnFields
    by_r_max: np.ndarray
    relaxation: Relaxation | None
    pace: Pace
    pair: tuple[Comparison, ...] = ()
    paired: tuple[str, str] | None = None


def trust_in(
    results: ScoringResults,
    runs: pl.DataFrame,
    evaluations: pl.DataFrame,
    *,
    studies: Mapping[str, int] | None = None,
    paired: tuple[str, str] | None = None,
) -> Trust:
    """How far the scores of a field can be trusted.

    Args:
      results: of the field.
      runs, studies: as `results.results_of` takes them.
      evaluations: `run`, `step`, `seconds`, `value` of the runs that are no summaries.
      paired: names of two submissions to compare.

    Raises:
      UserError: there is no submission of such a name.
    """
    summarised = runs.filter((pl.col("form") == "runs") & (pl.col("num_evals") > 0)).height > 0
    return Trust(
        drawn=drawn_fields(results),
        by_r_max=scores_by_r_max(results),
        relaxation=None
        if summarised
        else relaxation(
            runs,
            evaluations,
            results.protocol,
            time=results.time,
            trial_choice=results.trial_choice,
            missing=results.missing,
            studies=studies,
        ),
        pace=pace(results, runs, evaluations, studies),
        pair=tuple(pair(results, runs, evaluations, *paired)) if paired else (),
        paired=paired,
    )
