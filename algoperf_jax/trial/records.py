"""What a trial leaves on disk, in the layout that the benchmark's own tools read.

hparams.json            the point
meta_data.json          configuration, facts of the workload, versions, devices
eval_measurements.csv   one row per evaluation
measurements.csv        evaluations, and loss and gradient norm every 100 steps
outcome.json            how the trial ended; there is none while it runs
traceback.txt           of the error that ended a failed trial
events.out.tfevents.*   the same scalars for TensorBoard
checkpoints/            see `algoperf_jax.trial.checkpoints`
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_jax.errors import TrialError, UserError
from algoperf_jax.files import Row, read_json, to_json, write_json, write_text
from algoperf_jax.trial import lock
from algoperf_jax.trial.machine import machine_work
from algoperf_jax.trial.row_files import EventFile, RowFile

TRACEBACK = "traceback.txt"

LOG_PERIOD_STEPS = 100
"""Steps between two rows of training scalars in `measurements.csv`."""


def trial_folder(
    experiment_dir: Path, scale: str, submission: str, study: int, workload: str, trial: int
) -> Path:
    """Where a trial's record lies: below the scale, the layout of the benchmark's own logs."""
    return (
        experiment_dir
        / scale
        / submission
        / f"study_{study}"
        / f"{workload}_jax"
        / f"trial_{trial}"
    )


def check_folder(
    folder: Path, configuration: Mapping[str, Any], *, retry_failed: bool = False
) -> None:
    """Raises a `TrialError` when the folder holds a finished trial or one of another kind.

    Args:
      folder: of a trial.
      configuration: of the one that is to be run there.
      retry_failed: whether one that failed is in nobody's way, if nothing but the version of the
        submission's file differs.
    """
    meta_data = read_json(folder / "meta_data.json") or {}
    there = meta_data.get("configuration", {})
    retried = retry_failed and has_failed(folder)
    # Compared as JSON text: that is what was kept, tuples are lists there, and NaN equals itself.
    differing = {
        name: f"{name} is {there.get(name)!r} there and {value!r} here"
        for name, value in (configuration if meta_data else {}).items()
        if to_json(there.get(name)) != to_json(value)
    }
    if list(differing) == ["submission_source"] and not retried:
        raise TrialError(
            f"{folder} holds this trial as an earlier version of the submission's file ran it; "
            "--overwrite discards that and begins anew, another --experiment_dir keeps it"
        )
    if set(differing) - {"submission_source"}:
        raise TrialError(
            f"{folder} holds a trial of another configuration: {'; '.join(differing.values())}; "
            "choose another --experiment_dir, or --overwrite to discard that trial"
        )
    # A supervisor has written an outcome alone for a process that died early.
    outcome = read_json(folder / "outcome.json")
    if outcome is not None and not retried:
        again = "--retry_failed" if outcome["status"] == "failed" else "--overwrite"
        raise TrialError(
            f"{folder} holds this trial already, ended: {outcome['status']}, {outcome['reason']}; "
            f"{again} runs it again from the beginning, another --experiment_dir keeps it"
        )


def has_failed(folder: Path) -> bool:
    """Whether the folder holds a trial that has ended by an error."""
    outcome = read_json(folder / "outcome.json")
    return outcome is not None and outcome.get("status") == "failed"


def discard(folder: Path) -> None:
    """Removes the trial that the folder holds; a folder without one stays as it is.

    The folder's lock stays, as it is held by who calls this.
    """
    if not any((folder / name).exists() for name in ("meta_data.json", "outcome.json")):
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != lock.NAME:
            entry.unlink()


class TrialRecord:
    """Writes one trial's folder. Every method may be called again with more rows.

    Args:
      folder: the trial's folder; made here.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot write the record to {folder}: {error.strerror}; "
                "name a folder you may write to with --experiment_dir"
            ) from None
        self._evaluations = RowFile(folder / "eval_measurements.csv", order=sorted)
        self._measurements = RowFile(folder / "measurements.csv")
        self._events: EventFile | None = None

    @machine_work("write the record")
    def describe(self, meta_data: Mapping[str, Any], point: Mapping[str, Any]) -> None:
        """Writes `meta_data.json` and `hparams.json`."""
        write_json(self.folder / "meta_data.json", meta_data)
        write_json(self.folder / "hparams.json", point)

    @machine_work("write the record")
    def rows(self, evaluations: Sequence[Row], measurements: Sequence[Row]) -> None:
        """Makes both CSV files hold all rows of the trial."""
        self._evaluations.write(evaluations)
        self._measurements.write(measurements)

    @machine_work("write the record")
    def scalars(self, rows: Sequence[Row]) -> None:
        """Gives new rows, each with its `global_step`, to TensorBoard."""
        if self._events is None:
            self._events = EventFile(self.folder)
        for row in rows:
            scalars = {name: value for name, value in row.items() if name != "global_step"}
            self._events.write(int(row["global_step"]), scalars)
        self._events.flush()

    @machine_work("write the record")
    def outcome(self, outcome: Mapping[str, Any], traceback: str | None) -> None:
        """Writes `outcome.json`, which marks the trial as ended, and the traceback of an error."""
        if traceback is not None:
            write_text(self.folder / TRACEBACK, traceback)
        write_json(self.folder / "outcome.json", outcome)

    @machine_work("write the record")
    def close(self) -> None:
        """Closes the file of scalars."""
        if self._events is not None:
            self._events.close()
            self._events = None
