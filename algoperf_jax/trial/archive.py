"""What is kept of a trial while it runs: the rows of its record, checkpoints as they fall due."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from algoperf_jax.errors import UserError
from algoperf_jax.trial.checkpoints import Checkpoints, Restored, newest_step
from algoperf_jax.trial.clock import Now
from algoperf_jax.trial.ledger import Ledger, Outcome
from algoperf_jax.trial.lock import sole_use
from algoperf_jax.trial.records import TrialRecord, discard
from algoperf_jax.trial.replicas import Replicas

TOLD_AT_THE_END = (
    "step",
    "submission_seconds",
    "eval_seconds",
    "eval_process_cpu_seconds",
    "threads_at_evaluation",
    "first_step_seconds",
    "uncharged_compilation_seconds",
    "optimizer_init_seconds",
    "unreadable_checkpoints",
)
"""What of the ledger goes into `outcome.json`."""


class Snapshot(NamedTuple):
    """What a checkpoint takes down, as `Checkpoints.save` is given it."""

    state: Any
    ledger: Mapping[str, Any]
    host_state: Mapping[str, Any] | None


@contextlib.contextmanager
def sole_use_by_job(folder: Path, layout: Replicas) -> Iterator[None]:
    """`sole_use` for all processes of a job; the first one holds the lock.

    Raises:
      UserError: in every process of the job, where another one holds the lock.
    """
    fault = None
    with contextlib.ExitStack() as stack:
        if layout.process_index == 0:
            try:
                stack.enter_context(sole_use(folder))
            except UserError as error:
                fault = error
        if layout.max_over_processes(float(fault is not None)):
            raise fault or UserError(f"{folder}: process 0 of this job may not use it")
        yield


def discard_by_job(folder: Path, layout: Replicas) -> None:
    """Removes the trial in the folder: the first process does it, the others wait for that."""
    if layout.process_index == 0:
        discard(folder)
    layout.max_over_processes(0.0)


class Archive:
    """A trial's record and its checkpoints; without a folder nothing is kept.

    In a job of several processes the first one writes the record, and all take part in checkpoints.

    Args:
      folder: of the trial, or None.
      layout: the job's replicas; its processes agree on when to write a checkpoint.
      now: a monotonic clock in seconds.
      checkpoint_every_seconds: wall time between two checkpoints, which follow evaluations; None
        for one after each evaluation.
    """

    def __init__(
        self,
        folder: Path | None,
        layout: Replicas,
        now: Now,
        checkpoint_every_seconds: float | None,
    ):
        self._folder = folder
        self._layout = layout
        self._now = now
        self._every = checkpoint_every_seconds
        self._record: TrialRecord | None = None
        self._checkpoints: Checkpoints | None = None
        self._saved_step: int | None = None
        self._saved_at = 0.0
        self._told = 0  # rows that TensorBoard has

    @property
    def interrupted(self) -> bool:
        """Whether the folder holds a trial to go on with."""
        return self._folder is not None and newest_step(_checkpoints_of(self._folder)) is not None

    def open(self) -> None:
        """Makes the folder."""
        if self._folder and self._layout.process_index == 0:
            self._record = TrialRecord(self._folder)

    def restore(self, like: Any) -> Restored | None:
        """See `Checkpoints.restore`."""
        if self._folder is None:
            return None
        self._checkpoints = Checkpoints(_checkpoints_of(self._folder), self._anywhere)
        found = self._checkpoints.restore(like)
        if found is not None:
            self._saved_step, self._saved_at = found.step, self._now()
        return found

    def begun(self, meta_data: Mapping[str, Any], point: Mapping[str, Any], ledger: Ledger) -> None:
        """Describes the trial, and takes rows back to where it goes on from."""
        if self._record:
            environment = {k: v for k, v in ledger.starts[-1].items() if k != "step"}
            kept = {"compilation_cache": ledger.compilation_cache, "starts": ledger.starts}
            self._record.describe({**meta_data, **environment, **kept}, point)
            self._record.rows(ledger.evaluations, ledger.measurements)
            self._told = len(ledger.measurements)

    def evaluated(self, ledger: Ledger, snapshot: Callable[[], Snapshot]) -> None:
        """Keeps the rows since the last evaluation, and a checkpoint if one is due."""
        if self._record:
            self._record.rows(ledger.evaluations, ledger.measurements)
            self._record.scalars(ledger.measurements[self._told :])
            self._told = len(ledger.measurements)
        if self._checkpoints and self._checkpoint_due():
            self._save(ledger.step, snapshot())

    def trained(self, ledger: Ledger, snapshot: Callable[[], Snapshot]) -> None:
        """Keeps the end of a trial that did not fail."""
        if self._checkpoints and self._saved_step != ledger.step:
            self._save(ledger.step, snapshot())

    def ended(self, outcome: Outcome, ledger: Ledger, error: str | None) -> None:
        """Completes what is under way to disk, and writes the last rows and the outcome."""
        self.close()
        if self._record:
            self._record.rows(ledger.evaluations, ledger.measurements)
            account = {name: getattr(ledger, name) for name in TOLD_AT_THE_END}
            self._record.outcome({**dataclasses.asdict(outcome), **account}, error)
            self._record.close()

    def close(self) -> None:
        """Waits until the checkpoint under way is complete."""
        if self._checkpoints:
            self._checkpoints.close()

    def _checkpoint_due(self) -> bool:
        if self._every is None or self._saved_step is None:
            return True
        waited = self._layout.max_over_processes(self._now() - self._saved_at)
        return waited >= self._every

    def _save(self, step: int, snapshot: Snapshot) -> None:
        if self._checkpoints:
            self._checkpoints.save(step, *snapshot)
            self._saved_step, self._saved_at = step, self._now()

    def _anywhere(self, here: bool) -> bool:
        return self._layout.max_over_processes(float(here)) > 0


def _checkpoints_of(folder: Path) -> Path:
    return folder / "checkpoints"
