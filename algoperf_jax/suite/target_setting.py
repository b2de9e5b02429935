"""The benchmark's procedure that sets a workload's targets, for workloads at scale mini.

Several algorithms are each tuned with quasi-random points of a broad space, on three quarters of
the step hint (the benchmark's budget is 4/3 of the runtime that set the targets). The best
configuration is run again with other seeds. The validation target is the median of the best
validation values; the test target is the worst of the best test values among the runs that reached
the validation target.

In a program (processes are spawned, so not from a cell), `name` being that of a workload:

    from pathlib import Path
    import reference_algorithms, workloads
    from algoperf_jax.suite.target_setting import Catalogues, RunFile, set_targets

    there = Catalogues(workloads.get, reference_algorithms.get)
    space = {"learning_rate": {"min": 1e-3, "max": 1e-2, "scaling": "log"}}
    set_targets(name, {"adamw": space}, there, RunFile(Path("targets.json")), points=2, seeds=2)
"""

import concurrent.futures
import dataclasses
import json
import math
import multiprocessing
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from algoperf_jax import tuning
from algoperf_jax.errors import UserError
from algoperf_jax.files import read_json, write_json

if TYPE_CHECKING:  # the processes that train load JAX once they have their processors
    from algoperf_jax.submission import Submission
    from algoperf_jax.workload import Workload

HORIZON = 0.75
"""Length of a training in units of the step hint."""

EVALUATIONS = 20
"""Evaluations of a training, evenly spaced, unless stated."""


@dataclasses.dataclass(frozen=True)
class TargetRun:
    """One training of the procedure: workload, submission, point and seed."""

    workload: str
    submission: str
    point: dict[str, Any]
    seed: int


@dataclasses.dataclass(frozen=True)
class Catalogues:
    """Sources of workloads and submissions; module-level functions, as other processes import them.

    Attributes:
      workload: the workload of a name at a scale.
      submission: the submission of a name.
    """

    workload: Callable[[str, str], "Workload"]
    submission: Callable[[str], "Submission"]


class RunFile:
    """The trainings so far, kept in a JSON file; one that stands there is not run again.

    Args:
      path: the file; read if it exists.
    """

    def __init__(self, path: Path):
        self.path = path
        self._content: dict[str, Any] = read_json(path) or {"runs": []}
        self._known = {_key(row): row for row in self._content["runs"]}

    @property
    def sign(self) -> float:
        """1 where larger values of the metric are better, else -1."""
        return 1.0 if self._content["runs"][0]["direction"] == "max" else -1.0

    def has(self, run: TargetRun) -> bool:
        """Whether the run is in the file."""
        return _key(dataclasses.asdict(run)) in self._known

    def row(self, run: TargetRun) -> dict[str, Any]:
        """What `train` returned for a run."""
        return self._known[_key(dataclasses.asdict(run))]

    def add(self, row: dict[str, Any]) -> None:
        """Adds what `train` returned, and writes the file."""
        self._content["runs"].append(row)
        self._known[_key(row)] = row
        write_json(self.path, self._content)

    def conclude(self, conclusion: Mapping[str, Any]) -> None:
        """Puts the conclusion in front of the runs, and writes the file."""
        self._content = {**conclusion, "runs": self._content["runs"]}
        write_json(self.path, self._content)


def set_targets(
    workload: str,
    spaces: Mapping[str, Any],
    there: Catalogues,
    file: RunFile,
    *,
    points: int = 10,
    seeds: int = 10,
    evaluations: int = EVALUATIONS,
    jobs: int = 1,
    report: Callable[[Mapping[str, Any]], None] = lambda row: None,
) -> dict[str, Any]:
    """Runs the procedure, as far as the file does not hold it yet, and concludes it there.

    Args:
      workload: its name; at scale mini.
      spaces: by name of the submission its search space, as JSON data.
      there: sources of workloads and submissions.
      file: of the runs.
      points: tuning points of each submission.
      seeds: runs of the best configuration.
      evaluations: of each run; where they take long, the last ones matter most, as learning rates
        have come down.
      jobs: runs side by side, each on processors of its own.
      report: called with each row that `train` returned.

    Returns:
      The targets, and the configuration that set them.

    Raises:
      UserError: every tuning run failed.
    """
    tuning_runs = [
        TargetRun(workload, submission, point, seed=0)
        for submission, space in spaces.items()
        for point in tuning.points(tuning.parse(space), points)
    ]
    complete(file, tuning_runs, there, evaluations, jobs, report)
    finite = [run for run in tuning_runs if file.row(run)["status"] != "failed"]
    if not finite:
        raise UserError(f"{workload}: every tuning run failed; see {file.path}")
    best = max(finite, key=lambda run: file.sign * file.row(run)["best_validation"])
    repeated = [dataclasses.replace(best, seed=seed) for seed in range(1, seeds + 1)]
    complete(file, repeated, there, evaluations, jobs, report)
    conclusion = targets_of(best, [file.row(run) for run in repeated], file.sign)
    file.conclude(conclusion)
    return conclusion


def targets_of(best: TargetRun, rows: Sequence[Mapping[str, Any]], sign: float) -> dict[str, Any]:
    """The targets that follow from the runs of the best configuration.

    Args:
      best: the configuration.
      rows: what `train` returned for its runs with other seeds.
      sign: 1 where larger values of the metric are better, else -1.
    """
    best_values = sorted(row["best_validation"] for row in rows)
    validation = statistics.median(best_values)
    reached = [row for row in rows if sign * (row["best_validation"] - validation) >= 0]
    return {
        "submission": best.submission,
        "hyperparameters": best.point,
        "horizon_steps": rows[0]["steps"],
        "best_validation_values": best_values,
        "validation_target": validation,
        "test_target": min(sign * row["best_test"] for row in reached) * sign,
    }


def complete(
    file: RunFile,
    runs: Sequence[TargetRun],
    there: Catalogues,
    evaluations: int,
    jobs: int,
    report: Callable[[Mapping[str, Any]], None],
) -> None:
    """Runs what the file lacks, `jobs` at a time, each on processors of its own."""
    missing = [run for run in runs if not file.has(run)]
    if not missing:
        return
    context = multiprocessing.get_context("spawn")
    processors: Any = context.Queue()
    for job in range(jobs):
        processors.put(sorted(os.sched_getaffinity(0))[job::jobs])
    with concurrent.futures.ProcessPoolExecutor(
        jobs, context, initializer=_take_processors, initargs=(processors,)
    ) as pool:
        futures = [pool.submit(train, run, there, evaluations) for run in missing]
        for future in concurrent.futures.as_completed(futures):
            row = future.result()
            file.add(row)
            report(row)


def train(run: TargetRun, there: Catalogues, evaluations: int = EVALUATIONS) -> dict[str, Any]:
    """Trains for the horizon; the run and its best values as JSON data."""
    from algoperf_jax.trial.progress import Silent
    from algoperf_jax.trial.settings import Settings
    from algoperf_jax.trial.training import train

    workload = there.workload(run.workload, "mini")
    rules, limits = next(iter(workload.limits.items()))
    steps = int(HORIZON * limits.step_hint)
    out_of_reach = workload.target.out_of_reach
    workload = dataclasses.replace(
        workload,
        limits={rules: dataclasses.replace(limits, step_hint=steps, runtime_seconds=float("inf"))},
        target=dataclasses.replace(workload.target, validation=out_of_reach, test=out_of_reach),
    )
    settings = Settings(
        rules=rules,
        seed=run.seed,
        max_steps=steps,
        eval_every_steps=max(1, steps // evaluations),
        hyperparameters=run.point,
    )
    result = train(
        workload,
        there.submission(run.submission),
        settings,
        reporter=Silent(),
        raise_failure=False,
    )
    metric = workload.target.metric
    # A diverged run's last values may be no numbers.
    rows = [r for r in result.ledger.evaluations if not math.isnan(r[f"validation/{metric}"])]
    tests = [row[f"test/{metric}"] for row in rows if f"test/{metric}" in row]
    choose = max if workload.target.direction == "max" else min
    return {
        **dataclasses.asdict(run),
        "status": result.outcome.status,
        "direction": workload.target.direction,
        "steps": steps,
        "best_validation": choose(row[f"validation/{metric}"] for row in rows),
        # Without a test split, what every value meets.
        "best_test": choose(tests) if tests else -out_of_reach,
        "validation_values": [round(row[f"validation/{metric}"], 6) for row in rows],
    }


def _key(run: Mapping[str, Any]) -> str:
    return json.dumps([run["workload"], run["submission"], run["point"], run["seed"]])


def _take_processors(processors: Any) -> None:
    os.sched_setaffinity(0, processors.get())
