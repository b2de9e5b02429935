"""The board under relaxed targets: does it hang on where exactly the targets lie?"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from algoperf_jax.rules import MissingStudies
from algoperf_jax.scoring.protocol import ScoringProtocol, Time, TrialChoice
from algoperf_jax.scoring.relaxed_targets import relaxed
from algoperf_jax.scoring.sensitivity import scores
from algoperf_jax.scoring.times import median_times, runs_from_evaluations, study_times

PERCENTAGES = tuple(range(21))
"""Degrees of relaxation that are looked at: none to a fifth of the target."""


class Relaxation(NamedTuple):
    """Scores of a field by how far its targets are relaxed.

    Attributes:
      percentages: of the targets.
      submissions: names.
      scores_PxS: exact scores.
    """

    percentages: tuple[float, ...]
    submissions: tuple[str, ...]
    scores_PxS: np.ndarray

    @property
    def ranks_PxS(self) -> np.ndarray:
        """Ranks from 1; equal scores share the better one."""
        higher = self.scores_PxS[:, None, :] > self.scores_PxS[:, :, None] + 1e-12
        return 1 + higher.sum(axis=-1)

    @property
    def leaders(self) -> list[tuple[float, str]]:
        """Who leads, and from which percentage on; equal ones by name."""
        found: list[tuple[float, str]] = []
        for percent, row_S in zip(self.percentages, self.scores_PxS, strict=True):
            leader = self.submissions[int(np.argmax(row_S))]
            if not found or found[-1][1] != leader:
                found.append((percent, leader))
        return found


def relaxation(
    runs: pl.DataFrame,
    evaluations: pl.DataFrame,
    protocol: ScoringProtocol,
    *,
    time: Time = "seconds",
    trial_choice: TrialChoice = "min_time",
    missing: MissingStudies = "missed",
    studies: Mapping[str, int] | None = None,
    percentages: Sequence[float] = PERCENTAGES,
) -> Relaxation:
    """Scores under relaxed targets; of runs that have evaluations, as summaries cannot tell.

    Args:
      runs, evaluations: of a field whose evaluations are all at hand.
      protocol, time, trial_choice, missing, studies: as `results.results_of` takes them.
      percentages: degrees of relaxation.
    """
    trials = runs.drop("num_evals", "eval_index", "step", "seconds")
    rows: list[np.ndarray] = []
    names: tuple[str, ...] = ()
    for percent in percentages:
        easier = dataclasses.replace(protocol, facts=relaxed(protocol.facts, percent))
        found = study_times(
            runs_from_evaluations(trials, evaluations, easier),
            easier,
            time=time,
            trial_choice=trial_choice,
            studies=studies,
            missing=missing,
        )
        names = tuple(found)
        rows.append(scores(median_times(found), easier.parents, easier.rules.r_max))
    return Relaxation(tuple(percentages), names, np.stack(rows))
