"""The plan of a suite: workloads x studies x trials, each trial with its point and its budget.

Everything here is a pure function of its arguments.

No rule of the benchmark lets a study under external tuning end early. Its score is the shortest
time to target among its trials, so a trial that has run for longer than an earlier one needed can
no longer change the score; but the rules have all trials of a study run, each until its own target
or budget, and so does every plan.
"""

import dataclasses
import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from algoperf_jax import tuning as tuning_points
from algoperf_jax.errors import UserError
from algoperf_jax.rules import RuleSet, Tuning
from algoperf_jax.tuning import Point, SearchSpace


@dataclasses.dataclass(frozen=True)
class PlannedWorkload:
    """A workload of a plan.

    Attributes:
      name: as in records.
      argument: as on the command line, a name or an import path.
      budget_seconds: submission time until a trial ends, the rule set's factor applied.
    """

    name: str
    argument: str
    budget_seconds: float


@dataclasses.dataclass(frozen=True)
class PlannedTrial:
    """One trial of a plan.

    Attributes:
      workload: the one to train.
      study: its number, from 0.
      trial: its number in the study, from 1.
      point: the hyperparameters drawn for it; None for the submission's default point.
    """

    workload: PlannedWorkload
    study: int
    trial: int
    point: Mapping[str, Any] | None

    @property
    def label(self) -> str:
        """The trial in words; unique in a plan."""
        return f"{self.workload.name} study {self.study} trial {self.trial}"


@dataclasses.dataclass(frozen=True)
class DrawnPoints:
    """The points of all studies, whatever part of them is run.

    Attributes:
      space: the search space as JSON data.
      studies: for each study the points of its trials, in their order.
    """

    space: Any
    studies: tuple[tuple[Point, ...], ...]


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much is run.

    Attributes:
      studies: number of studies.
      trials: trials in each.
      draws: whether points are drawn from a search space.
    """

    studies: int
    trials: int
    draws: bool


def extent(
    rules: RuleSet,
    tuning: Tuning,
    scale: str,
    *,
    studies: int | None,
    trials: int | None,
    space: SearchSpace | None,
    space_given: bool,
) -> Extent:
    """How much is run where not everything was said.

    At scale full: as many studies and trials as the rules have. At scale mini: one study, and under
    external tuning one trial with the submission's default point; as soon as a search space or a
    number of trials is given, the rules' number of trials (or the given one) with drawn points.
    A list of points gives no more trials than it has points.

    Args:
      rules, tuning, scale: of the suite.
      studies, trials: numbers that were given, None for the default.
      space: the search space there is, given or the submission's own.
      space_given: whether it was given, rather than the submission's own.

    Raises:
      UserError: a number below 1; several trials, or a search space, under self-tuning; trials to
        draw and no search space.
    """
    for name, number in (("studies", studies), ("trials", trials)):
        if number is not None and number < 1:
            raise UserError(f"--{name}: {number} given, at least 1 is needed")
    full = scale == "full"
    if tuning == "self":
        if trials not in (None, 1):
            raise UserError(
                f"--trials: {trials} given; under self-tuning a study is one trial, --studies sets "
                "how often it is repeated"
            )
        if space_given:
            raise UserError("--search_space: self-tuning draws no points; use --tuning=external")
        return Extent(studies or (rules.self_tuning_studies if full else 1), 1, draws=False)
    studies = studies or (rules.external_studies if full else 1)
    if not (full or space_given or trials):
        return Extent(studies, 1, draws=False)
    if space is None:
        if trials == 1:
            return Extent(studies, 1, draws=False)
        raise UserError(
            "external tuning draws points, and the submission has no search space; give "
            "--search_space=FILE, --trials=1 for its default point alone, or --tuning=self"
        )
    trials = trials or rules.external_trials
    if space.fixed is not None:
        trials = min(trials, len(space.fixed))
    return Extent(studies, trials, draws=True)


def drawn_points(
    data: Any, space: SearchSpace, rules: RuleSet, seed: int, extent: Extent
) -> DrawnPoints:
    """The points of all studies that the rules have, or of more where more are run.

    Args:
      data, space: the search space, as JSON data and parsed.
      rules, seed: they decide the draw.
      extent: numbers of studies and trials.
    """
    studies = max(rules.external_studies, extent.studies)
    trials = max(rules.external_trials, extent.trials)
    drawn = tuple(
        tuple(tuning_points.study_points(space, seed, study, trials, studies))
        for study in range(studies)
    )
    return DrawnPoints(data, drawn)


def planned_trials(
    workloads: Sequence[PlannedWorkload], extent: Extent, drawn: DrawnPoints | None
) -> tuple[PlannedTrial, ...]:
    """All trials, in the order in which they are begun: each workload's first trial comes first.

    Raises:
      UserError: two workloads have the same name, so their records would lie in one folder.
    """
    names = [workload.name for workload in workloads]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"--workloads: {name!r} is given twice; leave one of them out")
    return tuple(
        PlannedTrial(
            workload, study, trial, drawn.studies[study][trial - 1] if drawn is not None else None
        )
        for study in range(extent.studies)
        for trial in range(1, extent.trials + 1)
        for workload in workloads
    )


def worst_case_seconds(trials: Iterable[PlannedTrial]) -> float:
    """Submission time if no trial reaches its target; evaluations and compilation come on top."""
    return sum(trial.workload.budget_seconds for trial in trials)


def makespan_seconds(running: Iterable[float], waiting: Iterable[float], slots: int) -> float:
    """Time until everything has ended, when what waits is begun in its order as slots fall free.

    Args:
      running: seconds that each trial under way still takes.
      waiting: seconds that each waiting trial takes.
      slots: how many run at once; at least 1.
    """
    ends = sorted(running)
    ends += [0.0] * (slots - len(ends))
    heapq.heapify(ends)
    for seconds in waiting:
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


def counted(number: int, noun: str) -> str:
    """`"1 trial"`, `"2 trials"`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
