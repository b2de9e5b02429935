"""The status of a trial, as its folder tells: to do, unfinished or ended; its newest evaluation."""

import csv
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoperf_jax.errors import UserError
from algoperf_jax.files import read_json

TO_DO = "to do"
UNFINISHED = "unfinished"


@dataclasses.dataclass(frozen=True)
class TrialStatus:
    """The status of a trial on disk.

    Attributes:
      state: `"to do"`, `"unfinished"`, or the status of its outcome.
      reason: the outcome's, else empty.
    """

    state: str
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether it has an outcome."""
        return self.state not in (TO_DO, UNFINISHED)


@dataclasses.dataclass(frozen=True)
class LastEvaluation:
    """The newest evaluation of a trial; all zero where there is none yet.

    Attributes:
      step: completed steps.
      submission_seconds: time on the submission clock.
      untimed_seconds: time spent on evaluations and records.
      metric: the target's metric, its newest value and its goal, in words; empty if unknown.
    """

    step: int = 0
    submission_seconds: float = 0.0
    untimed_seconds: float = 0.0
    metric: str = ""


def trial_status(folder: Path) -> TrialStatus:
    """The status of the trial in the folder.

    Raises:
      UserError: its outcome is not readable.
    """
    outcome = read_json(folder / "outcome.json")
    if outcome is not None:
        try:
            return TrialStatus(str(outcome["status"]), str(outcome["reason"]))
        except (KeyError, TypeError):
            raise UserError(
                f"{folder / 'outcome.json'} is not the outcome of a trial; mend or remove it"
            ) from None
    begun = (folder / "meta_data.json").exists() or (folder / "checkpoints").exists()
    return TrialStatus(UNFINISHED if begun else TO_DO)


def last_evaluation(folder: Path) -> LastEvaluation:
    """The newest evaluation of the trial in the folder."""
    try:
        with open(folder / "eval_measurements.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if not rows:
            return LastEvaluation()
        last = rows[-1]
        return LastEvaluation(
            step=int(float(last["global_step"])),
            submission_seconds=float(last["accumulated_submission_time"]),
            untimed_seconds=float(last["accumulated_eval_time"])
            + float(last["accumulated_logging_time"]),
            metric=_metric(folder, last),
        )
    except (OSError, KeyError, ValueError):
        return LastEvaluation()  # for a table to look at; scoring warns of damaged records


def check_configuration(folder: Path, planned: Mapping[str, Any]) -> None:
    """Raises a `UserError` when the folder holds a trial that is not the planned one.

    Args:
      folder: of the trial.
      planned: values of its configuration, by their names in `meta_data.json`.
    """
    meta_data = read_json(folder / "meta_data.json")
    if meta_data is None:
        return
    there = meta_data.get("configuration", {})
    for name, value in planned.items():
        if there.get(name) != value:
            raise UserError(
                f"{folder} holds a trial that is not of this plan: {name} is {there.get(name)!r} "
                f"there and {value!r} here; choose another --experiment_dir, or --overwrite to "
                "discard the records"
            )


def _metric(folder: Path, row: Mapping[str, str]) -> str:
    facts = read_json(folder / "meta_data.json") or {}
    name = facts.get("workload.target_metric")
    value = row.get(f"validation/{name}")
    if not value:
        return ""
    sign = ">=" if facts.get("workload.target_direction") == "max" else "<="
    goal = facts.get("workload.validation_target_value", float("nan"))
    return f"{name} {float(value):.4g} (target {sign} {goal:.4g})"
