"""What a trial has done so far, beside its arrays: steps, clocks, rows, goals."""

import copy
import dataclasses
from typing import Any, Literal

from algoperf_jax.control import Evaluation
from algoperf_jax.workload import Target

Status = Literal["reached", "budget exhausted", "training complete", "failed"]


COLUMNS = (
    "accumulated_submission_time",
    "accumulated_eval_time",
    "accumulated_logging_time",
    "global_step",
    "preemption_count",
    "score",
    "total_duration",
)
"""Of each row beside its metrics, which are called `<split>/<metric>`."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
      status: `"reached"`: the validation target was met; `"budget exhausted"`: it was not, within
        the budget; `"training complete"`: nor when the submission or `max_steps` ended the
        training; `"failed"`: an error ended it, whether or not the target had been met.
      reason: one line; the error of a failed trial.
      step_at_target, seconds_at_target: steps and submission time at the first evaluation that met
        the validation target.
    """

    status: Status
    reason: str
    step_at_target: int | None = None
    seconds_at_target: float | None = None


@dataclasses.dataclass
class Ledger:
    """The part of a running trial that is not arrays; what of it a checkpoint keeps is JSON.

    Attributes:
      step: completed steps.
      submission_seconds, eval_seconds, logging_seconds: accumulated times.
      total_seconds: wall time since the trial began, interruptions left out.
      eval_process_cpu_seconds: processor time of this process during evaluations, of all threads
        that were at work then; it cannot be told whose work that was.
      threads_at_evaluation: names of the threads that were alive when some evaluation began; those
        of records, checkpoints and data sets are among them.
      optimizer_init_seconds: untimed making of the initial state, compilation included.
      first_step_seconds: the first step, part of the submission time; at scale full with tracing
        and compilation.
      uncharged_compilation_seconds: at scale mini, tracing, compilation and one run of each phase's
        step, which are no part of the submission time there.
      compilation_cache: folder of the persistent compilation cache, if one was ever used.
      preemption_count: how often the trial was resumed.
      starts: of each process that began or resumed it, the step and the software and hardware.
      unreadable_checkpoints: `step` and `reason` of checkpoints that a resume had to pass over.
      last_eval_step, last_eval_seconds: steps and submission time at the newest evaluation.
      validation_goal, test_goal: whether the targets were ever met.
      complete: the submission, or `max_steps`, has ended the training.
      evaluations: rows of `eval_measurements.csv`.
      measurements: rows of `measurements.csv`.
      logs: scalars of the newest finished step.
      phase, knobs: what `control` has set.
    """

    step: int = 0
    submission_seconds: float = 0.0
    eval_seconds: float = 0.0
    logging_seconds: float = 0.0
    total_seconds: float = 0.0
    eval_process_cpu_seconds: float = 0.0
    threads_at_evaluation: list[str] = dataclasses.field(default_factory=list)
    optimizer_init_seconds: float = 0.0
    first_step_seconds: float = 0.0
    uncharged_compilation_seconds: float = 0.0
    compilation_cache: str | None = None
    preemption_count: int = 0
    starts: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    unreadable_checkpoints: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    last_eval_step: int = 0
    last_eval_seconds: float = 0.0
    validation_goal: bool = False
    test_goal: bool = False
    complete: bool = False
    evaluations: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    measurements: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    logs: dict[str, float] = dataclasses.field(default_factory=dict)
    phase: Any = None
    knobs: dict[str, float] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON data, which further steps leave alone; each evaluation once."""
        fields = {
            # Rows never change once they are there: to copy the lists of them is enough.
            field.name: copy.copy(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }
        places = {id(row): number for number, row in enumerate(self.evaluations)}
        return {
            **fields,
            "measurements": [places.get(id(row), row) for row in self.measurements],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Ledger":
        """The ledger that `to_json` was called on."""
        rows = data["evaluations"]
        measurements = [rows[x] if isinstance(x, int) else x for x in data["measurements"]]
        return cls(**{**data, "measurements": measurements})

    def record_evaluation(self, values: dict[str, float], target: Target) -> dict[str, Any]:
        """Notes an evaluation of the present step; returns its row."""
        own = (
            self.submission_seconds,
            self.eval_seconds,
            self.logging_seconds,
            self.step,
            self.preemption_count,
            self.submission_seconds,
            self.total_seconds,
        )
        row = {**values, **dict(zip(COLUMNS, own, strict=True))}
        self.evaluations.append(row)
        self.measurements.append(row)
        self.last_eval_step = self.step
        self.last_eval_seconds = self.submission_seconds
        # Goals are sticky: a metric that falls below its target again has still reached it.
        self.validation_goal |= target.reached(values[f"validation/{target.metric}"], "validation")
        test = values.get(f"test/{target.metric}")  # None without a test split: there is no goal
        self.test_goal |= test is None or target.reached(test, "test")
        return row

    def evaluations_for_submission(self) -> list[Evaluation]:
        """The evaluations without the test split, which is not for the algorithm."""
        return [
            Evaluation(
                step=row["global_step"],
                elapsed_seconds=row["accumulated_submission_time"],
                metrics={k: v for k, v in row.items() if k.startswith(("train/", "validation/"))},
            )
            for row in self.evaluations
        ]

    def outcome(self, target: Target, status: Status, reason: str) -> Outcome:
        """The outcome of a trial that ends now; a target met earlier makes it `"reached"`."""
        name = f"validation/{target.metric}"
        for row in self.evaluations:
            if target.reached(row[name], "validation"):
                met = int(row["global_step"]), float(row["score"])
                return Outcome("failed" if status == "failed" else "reached", reason, *met)
        return Outcome(status, reason)
