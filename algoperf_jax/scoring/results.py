"""Everything that is computed for one field of submissions."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from algoperf_jax.errors import UserError
from algoperf_jax.rules import MissingStudies
from algoperf_jax.scoring import sensitivity
from algoperf_jax.scoring.disqualification import Status, Verdict, statuses, verdict
from algoperf_jax.scoring.profiles import exact_scores, performance_ratios, trapezoid_scores
from algoperf_jax.scoring.protocol import ScoringProtocol, Time, TrialChoice
from algoperf_jax.scoring.speedups import Speedups, speedups
from algoperf_jax.scoring.times import median_times, study_times

BOOTSTRAP_DRAWS = 1000


@dataclasses.dataclass(frozen=True)
class ScoringResults:
    """The results of a field of submissions; arrays in the order of `submissions`.

    Attributes:
      protocol, time, trial_choice, missing: as `results_of` takes them.
      submissions: names, sorted.
      study_times: by submission float64 [W, K], as `times.study_times` gives them.
      times_SxW: their medians; infinity for a miss, NaN for no data.
      budgets_W: budget of a run, in the unit of the times.
      verdict: times that count, and the fastest ones.
      statuses: why a time on a base workload counts or not, [S][B].
      ratios_SxB: performance ratios.
      exact_S, trapezoid_S: the score as the exact integral, and by the trapezoid rule.
      published_S: the score by the procedure of published scores: studies count the trial with the
        earliest evaluation by number, and the profile is integrated on 100 points.
      interval_Sx2: where 95 % of the scores lie when studies are drawn anew.
      without_workload_SxB, without_submission_SxS: exact scores with one of them left out.
      baseline: the submission that speed-ups refer to, if there is one.
      speedups: over that one.
    """

    protocol: ScoringProtocol
    time: Time
    trial_choice: TrialChoice
    missing: MissingStudies
    submissions: tuple[str, ...]
    study_times: Mapping[str, np.ndarray]
    times_SxW: np.ndarray
    budgets_W: np.ndarray
    verdict: Verdict
    statuses: list[list[Status]]
    ratios_SxB: np.ndarray
    exact_S: np.ndarray
    trapezoid_S: np.ndarray
    published_S: np.ndarray
    interval_Sx2: np.ndarray
    without_workload_SxB: np.ndarray
    without_submission_SxS: np.ndarray
    baseline: str | None
    speedups: Speedups | None

    @property
    def ranking(self) -> list[str]:
        """Names by exact score, highest first; equal ones by name."""
        return [self.submissions[s] for s in np.argsort(-self.exact_S, kind="stable")]

    @property
    def fractions_SxW(self) -> np.ndarray:
        """Times in units of the budget, before any disqualification."""
        return self.times_SxW / self.budgets_W


def results_of(
    runs: pl.DataFrame,
    protocol: ScoringProtocol,
    *,
    time: Time = "seconds",
    trial_choice: TrialChoice = "min_time",
    baseline: str | None = None,
    studies: Mapping[str, int] | None = None,
    missing: MissingStudies | None = None,
    draws: int = BOOTSTRAP_DRAWS,
) -> ScoringResults:
    """Scores a field of submissions.

    Args:
      runs: as `times.study_times` takes them.
      protocol: workloads, studies and budgets.
      time, trial_choice, studies: as `times.study_times` takes them.
      baseline: the submission to compute speed-ups over; None for the one called `baseline`, if
        there is one.
      missing: whether a study without measurements has missed the target or is left out; None for
        what the rule set's published tables do.
      draws: of the bootstrap.

    Raises:
      UserError: there is no submission of the name given as baseline.
    """
    missing = missing or protocol.rules.missing_studies

    def times_by(choice: TrialChoice) -> dict[str, np.ndarray]:
        return study_times(
            runs, protocol, time=time, trial_choice=choice, studies=studies, missing=missing
        )

    study_times_ = times_by(trial_choice)
    submissions = tuple(study_times_)
    if baseline is None and "baseline" in submissions:
        baseline = "baseline"
    if baseline is not None and baseline not in submissions:
        raise UserError(
            f"no submission is called {baseline!r}, to compute speed-ups over; there are "
            f"{', '.join(submissions)}"
        )
    times_SxW = median_times(study_times_)
    parents, r_max = protocol.parents, protocol.rules.r_max
    judged = verdict(times_SxW, parents, r_max)
    ratios_SxB = performance_ratios(judged.counted___SxB)
    budgets_W = np.array([protocol.budget(name, time) for name in protocol.workloads], np.float64)
    budgets_W[budgets_W == 0.0] = np.nan  # a record that does not tell its step hint
    num_base = len(protocol.base)
    samples_NxS = sensitivity.bootstrap_scores(study_times_, parents, r_max, draws=draws)
    return ScoringResults(
        protocol=protocol,
        time=time,
        trial_choice=trial_choice,
        missing=missing,
        submissions=submissions,
        study_times=study_times_,
        times_SxW=times_SxW,
        budgets_W=budgets_W,
        verdict=judged,
        statuses=statuses(times_SxW, judged.over___SxW, parents),
        ratios_SxB=ratios_SxB,
        exact_S=exact_scores(ratios_SxB, r_max),
        trapezoid_S=trapezoid_scores(ratios_SxB, r_max),
        published_S=_published_scores(median_times(times_by("first_eval")), parents, r_max),
        interval_Sx2=sensitivity.intervals(samples_NxS),
        without_workload_SxB=sensitivity.without_workload(times_SxW, parents, r_max),
        without_submission_SxS=sensitivity.without_submission(times_SxW, parents, r_max),
        baseline=baseline,
        speedups=speedups(
            times_SxW[:, :num_base], budgets_W[:num_base], submissions.index(baseline)
        )
        if baseline is not None
        else None,
    )


def _published_scores(times_SxW: np.ndarray, parents: Sequence[int], r_max: float) -> np.ndarray:
    counted_SxB = verdict(times_SxW, parents, r_max).counted___SxB
    return trapezoid_scores(performance_ratios(counted_SxB), r_max)
