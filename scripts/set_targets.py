"""Sets a mini workload's targets by the benchmark's own procedure.

    python scripts/set_targets.py --workload=ogbg --output=workloads/ogbg/sample/targets_ogbg.json

AdamW, NAdamW, Nesterov and heavy-ball momentum are each tuned with quasi-random points of a broad
space, on three quarters of the step hint (the benchmark's budget is 4/3 of the runtime that set the
targets). The best configuration is run again with other seeds. The validation target is the median
of the best validation values; the test target is the worst of the best test values among the runs
that reached the validation target. Every run is kept in the output file; a run that stands there is
not run again.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import math
import multiprocessing
import os
import statistics
from pathlib import Path
from typing import Any

from command_line import answer_for

from algoperf_jax import tuning
from algoperf_jax.errors import UserError
from algoperf_jax.files import read_json, write_json

HORIZON = 0.75
EVALUATIONS = 20

_ADAM_SPACE = {
    "learning_rate": {"min": 3e-4, "max": 3e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 2e-2, "max": 0.3, "scaling": "log"},
    "beta2": {"feasible_points": [0.9, 0.99, 0.999]},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "weight_decay": {"min": 1e-4, "max": 0.3, "scaling": "log"},
    "label_smoothing": {"feasible_points": [0.0]},
    "dropout_rate": {"feasible_points": [0.0, 0.1]},
}
_MOMENTUM_SPACE = {
    "learning_rate": {"min": 2e-2, "max": 10.0, "scaling": "log"},
    "one_minus_beta1": {"min": 5e-3, "max": 0.3, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "weight_decay": {"min": 1e-7, "max": 1e-4, "scaling": "log"},
    "label_smoothing": {"feasible_points": [0.0]},
    "dropout_rate": {"feasible_points": [0.0, 0.1]},
    "decay_steps_factor": {"feasible_points": [0.9]},
    "end_factor": {"feasible_points": [1e-3, 1e-2]},
}
SPACES = {
    "adamw": _ADAM_SPACE,
    "nadamw": _ADAM_SPACE,
    "nesterov": _MOMENTUM_SPACE,
    "momentum": _MOMENTUM_SPACE,
}


@dataclasses.dataclass(frozen=True)
class Run:
    """One training of the procedure: workload, submission, point and seed."""

    workload: str
    submission: str
    point: dict[str, Any]
    seed: int


def main() -> int:
    """Runs the procedure and writes the table."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--workload", required=True, help="a name, at scale mini")
    p.add_argument("--points", type=int, default=10, help="tuning points per algorithm (10)")
    p.add_argument("--seeds", type=int, default=10, help="runs of the best configuration (10)")
    p.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs side by side")
    p.add_argument("--output", type=Path, required=True, help="JSON file, continued if it exists")
    flags = p.parse_args()
    table = Table(flags.output)
    tuning_runs = [
        Run(flags.workload, submission, point, seed=0)
        for submission, space in SPACES.items()
        for point in tuning.points(tuning.parse(space), flags.points)
    ]
    complete(table, tuning_runs, flags.jobs)
    finite = [run for run in tuning_runs if table.result(run)["status"] != "failed"]
    if not finite:
        raise UserError(f"{flags.workload}: every tuning run failed; see {flags.output}")
    best = max(finite, key=lambda run: table.sign * table.result(run)["best_validation"])
    repeated = [dataclasses.replace(best, seed=seed) for seed in range(1, flags.seeds + 1)]
    complete(table, repeated, flags.jobs)
    print(json.dumps(table.conclude(best, repeated), indent=2))
    return 0


class Table:
    """The results so far, kept in a JSON file."""

    def __init__(self, path: Path):
        self._path = path
        self._content: dict[str, Any] = read_json(path) or {"runs": []}
        self._known = {_key(entry): entry for entry in self._content["runs"]}

    @property
    def sign(self) -> float:
        """1 where larger values of the metric are better, else -1."""
        return 1.0 if self._content["runs"][0]["direction"] == "max" else -1.0

    def has(self, run: Run) -> bool:
        """Whether the run is in the table."""
        return _key(dataclasses.asdict(run)) in self._known

    def result(self, run: Run) -> dict[str, Any]:
        """The entry of a run."""
        return self._known[_key(dataclasses.asdict(run))]

    def add(self, entry: dict[str, Any]) -> None:
        """Adds a run's entry and writes the file."""
        self._content["runs"].append(entry)
        self._known[_key(entry)] = entry
        write_json(self._path, self._content)

    def conclude(self, best: Run, repeated: list[Run]) -> dict[str, Any]:
        """The targets that follow from the repeated runs; written into the file."""
        entries = [self.result(run) for run in repeated]
        best_values = sorted(entry["best_validation"] for entry in entries)
        validation = statistics.median(best_values)
        reached = [e for e in entries if self.sign * (e["best_validation"] - validation) >= 0]
        test = min(self.sign * entry["best_test"] for entry in reached) * self.sign
        conclusion = {
            "submission": best.submission,
            "hyperparameters": best.point,
            "horizon_steps": entries[0]["steps"],
            "best_validation_values": best_values,
            "validation_target": validation,
            "test_target": test,
        }
        self._content = {**conclusion, "runs": self._content["runs"]}
        write_json(self._path, self._content)
        return conclusion


def complete(table: Table, runs: list[Run], jobs: int) -> None:
    """Runs what the table lacks, `jobs` at a time, each on processors of its own."""
    missing = [run for run in runs if not table.has(run)]
    if not missing:
        return
    context = multiprocessing.get_context("spawn")
    processors: Any = context.Queue()
    for job in range(jobs):
        processors.put(sorted(os.sched_getaffinity(0))[job::jobs])
    with concurrent.futures.ProcessPoolExecutor(
        jobs, context, initializer=_take_processors, initargs=(processors,)
    ) as pool:
        for future in concurrent.futures.as_completed([pool.submit(train, r) for r in missing]):
            entry = future.result()
            table.add(entry)
            print(
                f"{entry['submission']:<9} seed {entry['seed']:>2}  {entry['status']:<18} "
                f"validation {entry['best_validation']:.5f}  test {entry['best_test']:.5f}  "
                f"{json.dumps(entry['point'])}",
                flush=True,
            )


def train(run: Run) -> dict[str, Any]:
    """Trains for the horizon and returns the run with its best values."""
    import reference_algorithms
    import workloads
    from algoperf_jax.trial.setup import Settings
    from algoperf_jax.trial.training import train

    workload = workloads.get(run.workload, "mini")
    rules, limits = next(iter(workload.limits.items()))
    steps = int(HORIZON * limits.step_hint)
    out_of_reach = float("inf") if workload.target.direction == "max" else -float("inf")
    workload = dataclasses.replace(
        workload,
        limits={rules: dataclasses.replace(limits, step_hint=steps, runtime_seconds=float("inf"))},
        target=dataclasses.replace(workload.target, validation=out_of_reach, test=out_of_reach),
    )
    settings = Settings(
        rules=rules,
        seed=run.seed,
        max_steps=steps,
        eval_every_steps=max(1, steps // EVALUATIONS),
        hyperparameters=run.point,
    )
    result = train(workload, reference_algorithms.get(run.submission), settings)
    metric = workload.target.metric
    # A diverged run's last values may be no numbers.
    rows = [r for r in result.ledger.evaluations if not math.isnan(r[f"validation/{metric}"])]
    choose = max if workload.target.direction == "max" else min
    return {
        **dataclasses.asdict(run),
        "status": result.outcome.status,
        "direction": workload.target.direction,
        "steps": steps,
        "best_validation": choose(row[f"validation/{metric}"] for row in rows),
        "best_test": choose(row[f"test/{metric}"] for row in rows),
        "validation_values": [round(row[f"validation/{metric}"], 6) for row in rows],
    }


def _key(run: dict[str, Any]) -> str:
    return json.dumps([run["workload"], run["submission"], run["point"], run["seed"]])


def _take_processors(processors: Any) -> None:
    os.sched_setaffinity(0, processors.get())


if __name__ == "__main__":
    answer_for(main)
