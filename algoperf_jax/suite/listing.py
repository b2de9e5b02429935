"""A plan in plain text: trials, points, and the cost in the worst case."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from algoperf_jax.suite.plan import PlannedTrial, counted, makespan_seconds, worst_case_seconds
from algoperf_jax.suite.trial_status import TO_DO, UNFINISHED, TrialStatus


def listing(
    trials: Sequence[PlannedTrial],
    statuses: Mapping[str, TrialStatus],
    default_point: Mapping[str, Any],
    slots: int | None,
) -> str:
    """The plan, to be read before it is run.

    Args:
      trials: all planned trials.
      statuses: by label of the trial.
      default_point: of trials without one of their own.
      slots: how many run at once, None where that is not known yet.
    """
    lines = []
    for workload in dict.fromkeys(trial.workload for trial in trials):
        own = [trial for trial in trials if trial.workload == workload]
        seconds = workload.budget_seconds
        lines.append(
            f"{workload.name}: {counted(len(own), 'trial')} of at most {hours(seconds)}, "
            f"{hours(seconds * len(own))} in all; {states(own, statuses)}"
        )
    lines += ["", *points(trials, default_point), ""]
    still = [trial for trial in trials if not statuses[trial.label].ended]
    lines.append(
        f"worst case: {hours(worst_case_seconds(trials))} of submission time for {len(trials)} "
        f"trials, {hours(worst_case_seconds(still))} of it still to do; evaluations and "
        "records come on top"
    )
    if slots:
        budgets = [trial.workload.budget_seconds for trial in still]
        lines.append(f"with {slots} at once: {hours(makespan_seconds([], budgets, slots))}")
    return "\n".join(lines)


def states(trials: Sequence[PlannedTrial], statuses: Mapping[str, TrialStatus]) -> str:
    """How many of the trials stand where."""
    found = [statuses[trial.label].state for trial in trials]
    order = [TO_DO, UNFINISHED, *sorted(set(found) - {TO_DO, UNFINISHED})]
    return ", ".join(f"{found.count(state)} {state}" for state in order if state in found)


def points(trials: Sequence[PlannedTrial], default_point: Mapping[str, Any]) -> list[str]:
    """The points of each study, one a line; they are the same for all workloads."""
    if trials[0].point is None:
        return [f"every trial runs the submission's own point: {json.dumps(dict(default_point))}"]
    drawn = {(trial.study, trial.trial): trial.point for trial in trials}
    return [
        f"study {study} trial {trial}: {json.dumps(dict(point or {}))}"
        for (study, trial), point in drawn.items()
    ]


def hours(seconds: float) -> str:
    """A time in hours."""
    return f"{seconds / 3600:.3g} h"
