"""One trial as a child process, supervised.

A trial that crashes, hangs or is killed costs that trial alone. Its supervisor writes the outcome
if the process could not.

    exit with an outcome.json          the trial has ended, as it says there
    exit status 2, no outcome          refused: the command is at fault; nothing is recorded
    exit status 3, no outcome          blocked: this trial's folder holds another one, is in use or
                                       cannot be resumed; nothing is recorded, others go on
    exit status 4, no outcome          blocked as well: the machine failed, say by a full disk; the
                                       same command goes on with this trial
    status 130, SIGINT or SIGTERM      interrupted by a person or a scheduler; nothing is recorded,
                                       and the same command resumes the trial
    SIGKILL                            failed: the system kills so when memory runs out
    anything else without an outcome   failed, with the last line it wrote
    no exit within the limit           killed and failed

The limit: wall time since the start may exceed the budget by `grace_seconds`, where time for
evaluations and records does not count as far as the record has it. The grace covers the rest of the
time off the submission clock: imports, compilation, the evaluation under way.
"""

import contextlib
import dataclasses
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from algoperf_jax.errors import MachineError, TrialError, UserError
from algoperf_jax.files import write_json
from algoperf_jax.suite.trial_status import last_evaluation, trial_status

GRACE_SECONDS = {"mini": 600.0, "full": 3600.0}
"""By scale. The longest evaluation of the benchmark takes minutes on its hardware, and may take
many times as long where one device walks all replicas."""

INTERRUPT_PATIENCE_SECONDS = 20.0
"""How long interrupted trials may take to leave before they are killed."""

Clock = Callable[[], float]

REFUSED = "refused"
BLOCKED = "blocked"
INTERRUPTED = "interrupted"
BUSY = "busy"
LOST = "lost"


@dataclasses.dataclass(frozen=True)
class Job:
    """One trial to run; can be sent to another machine.

    Attributes:
      label: the trial in words, unique in a suite.
      workload: its workload's name.
      command: program and arguments; the first is a Python file, run by this interpreter.
      folder: of the trial's record.
      log: file to which its output is appended.
      budget_seconds: submission time until the trial ends by itself.
      grace_seconds: see this module's docstring.
    """

    label: str
    workload: str
    command: tuple[str, ...]
    folder: Path
    log: Path
    budget_seconds: float
    grace_seconds: float


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
      job: what it was to do.
      status: the status of the trial's outcome, or else `"refused"` (the command is at fault),
        `"blocked"` (this trial alone cannot begin or go on), `"interrupted"`, `"busy"` (another
        process is at work on it) or `"lost"` (with the machine it ran on); these leave no outcome.
      reason: one line.
      wall_seconds: since its start.
    """

    job: Job
    status: str
    reason: str
    wall_seconds: float


class Busy(Exception):
    """Another process is at work on the trial."""


class Child:
    """One supervised process, started here.

    Args:
      job: what to do.
      environment: of the process; None for this process's own.
      now: a monotonic clock in seconds.

    Raises:
      Busy: another process, of whatever machine that shares the folder, is at work on the trial.
    """

    def __init__(
        self, job: Job, environment: Mapping[str, str] | None = None, now: Clock = time.monotonic
    ):
        self._job, self._now = job, now
        job.log.parent.mkdir(parents=True, exist_ok=True)
        # The process and its descendants inherit the open file and with it the lock on it, so the
        # lock falls when the last of them is gone.
        with open(job.log, "ab") as log:
            _lock(log)
            self._log_start = log.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "algoperf_jax.suite.ends_with_parent", *job.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                start_new_session=True,  # Ctrl-C reaches the trials through their supervisor only
            )
        self._started = now()
        self._untimed_before = last_evaluation(job.folder).untimed_seconds

    @property
    def job(self) -> Job:
        """What the process is to do."""
        return self._job

    @property
    def wall_seconds(self) -> float:
        """Wall time since the start."""
        return self._now() - self._started

    def poll(self) -> Ended | None:
        """How the process ended; None while it runs. Kills it past its limit."""
        code = self._process.poll()
        if code is not None:
            return self._ended(*self._verdict(code))
        if self.wall_seconds <= self._job.budget_seconds + self._job.grace_seconds:
            return None
        untimed = max(0.0, last_evaluation(self._job.folder).untimed_seconds - self._untimed_before)
        timed = self.wall_seconds - untimed
        if timed <= self._job.budget_seconds + self._job.grace_seconds:
            return None
        self.kill()
        reason = (
            f"killed after {timed:.0f} s without an end, evaluations left out; its budget is "
            f"{self._job.budget_seconds:.0f} s and {self._job.grace_seconds:.0f} s are allowed on "
            "top"
        )
        return self._ended("failed", reason)

    def interrupt(self) -> None:
        """Asks the process and its descendants to leave."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """Ends the process and its descendants, and waits for it."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def wait(self, seconds: float) -> None:
        """Waits for the process to leave, for so long; kills it then."""
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            self.kill()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it is gone already
            os.killpg(self._process.pid, number)

    def _verdict(self, code: int) -> tuple[str, str]:
        found = trial_status(self._job.folder)
        if found.ended:
            return found.state, found.reason
        refusals = {
            UserError.exit_status: REFUSED,
            TrialError.exit_status: BLOCKED,
            MachineError.exit_status: BLOCKED,
        }
        if code in refusals:
            return refusals[code], self._last_line().removeprefix("error: ")
        if code in (130, -signal.SIGINT, -signal.SIGTERM):
            return INTERRUPTED, "stopped from outside; the same command resumes it"
        if code == -signal.SIGKILL:
            return "failed", "killed (SIGKILL), as the system does when memory runs out"
        if code < 0:
            return "failed", f"ended by {signal.Signals(-code).name}: {self._last_line()}"
        return "failed", f"ended with status {code} and no outcome: {self._last_line()}"

    def _ended(self, status: str, reason: str) -> Ended:
        if self._process.stdin:
            self._process.stdin.close()
        if status == "failed" and not trial_status(self._job.folder).ended:
            record_failure(self._job.folder, reason)
        return Ended(self._job, status, reason, self.wall_seconds)

    def _last_line(self) -> str:
        with open(self._job.log, "rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, end - 8192))
            lines = log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")


def record_failure(folder: Path, reason: str) -> None:
    """Writes the outcome of a trial that could not write it itself."""
    folder.mkdir(parents=True, exist_ok=True)
    outcome = {
        "status": "failed",
        "reason": reason,
        "step_at_target": None,
        "seconds_at_target": None,
        "recorded_by": "supervisor",
    }
    write_json(folder / "outcome.json", outcome)


def supervise(job: Job, patience_seconds: float, poll_seconds: float = 1.0) -> Ended:
    """Runs one job to its end, on this machine.

    Args:
      job: what to do.
      patience_seconds: how long to wait for another process to let go of the trial.
      poll_seconds: between two looks at the process.

    Raises:
      Busy: another process is at work on the trial for longer than that.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            child = Child(job)
            break
        except Busy:
            if time.monotonic() > deadline:
                raise
            time.sleep(poll_seconds)
    try:
        while (ended := child.poll()) is None:
            time.sleep(poll_seconds)
        return ended
    except BaseException:
        child.interrupt()
        child.wait(INTERRUPT_PATIENCE_SECONDS)
        raise


def _lock(log: IO[bytes]) -> None:
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy(
            f"another process is at work on this trial and writes {log.name}; wait for it or end it"
        ) from None
    except OSError:
        pass  # a file system without locks; starting a suite twice there is up to its user
