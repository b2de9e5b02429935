"""The table of a suite: what is running, done, reached, failed, and the time left.

On a terminal it is kept up to date in place; elsewhere each event is a line of text.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from algoperf_jax.suite.plan import makespan_seconds
from algoperf_jax.suite.supervision import LOST, Ended, Job
from algoperf_jax.suite.trial_status import TO_DO, UNFINISHED, LastEvaluation, last_evaluation

RUNNING = "running"
HEADER = ("workload", "trials", "running", "done", "reached", "missed", "failed", "time left")


@dataclasses.dataclass(frozen=True)
class Row:
    """Counts of one workload's trials, or of all.

    Attributes:
      name: the workload's, or `"all"`.
      trials: how many are planned.
      running, reached, failed: how many are under way, have met the target, have failed.
      missed: how many have ended in another way.
      left_seconds: submission time that those still to end take if none meets its target.
    """

    name: str
    trials: int
    running: int
    reached: int
    missed: int
    failed: int
    left_seconds: float

    @property
    def done(self) -> int:
        """How many have ended."""
        return self.reached + self.missed + self.failed

    def cells(self, left: str | None = None) -> tuple[str, ...]:
        """The row as text, in the order of `HEADER`."""
        numbers = (self.trials, self.running, self.done, self.reached, self.missed, self.failed)
        return (self.name, *map(str, numbers), left or at_most(self.left_seconds))


@dataclasses.dataclass
class SuiteProgress:
    """All jobs of a suite and how far they have come.

    Attributes:
      jobs: in the order of the plan.
      states: by label of the job: `"to do"`, `"unfinished"`, `"running"`, or how it ended.
      last_evaluations: by label, how far those under way have come.
    """

    jobs: Sequence[Job]
    states: dict[str, str]
    last_evaluations: dict[str, LastEvaluation] = dataclasses.field(default_factory=dict)

    def rows(self) -> list[Row]:
        """One row per workload, and one for all where there are several."""
        names = list(dict.fromkeys(job.workload for job in self.jobs))
        rows = [self._row(name, [j for j in self.jobs if j.workload == name]) for name in names]
        return rows if len(rows) == 1 else [*rows, self._row("all", self.jobs)]

    def left_seconds(self, slots: int) -> float:
        """Wall time until everything has ended, if nothing more meets its target.

        Evaluations and records count with the share they have had so far; before the first
        evaluation they are left out.
        """
        timed = sum(now.submission_seconds for now in self.last_evaluations.values())
        untimed = sum(now.untimed_seconds for now in self.last_evaluations.values())
        overhead = 1.0 + (untimed / timed if timed else 0.0)
        open_jobs = [job for job in self.jobs if self._open(job)]
        running = [self._left(j) for j in open_jobs if self.states[j.label] == RUNNING]
        waiting = [self._left(j) for j in open_jobs if self.states[j.label] != RUNNING]
        return overhead * makespan_seconds(running, waiting, max(slots, 1))

    def summary(self, slots: int) -> str:
        """The counts and the time left in one line."""
        row = self._row("all", self.jobs)
        return (
            f"done {row.done} of {row.trials}: {row.reached} reached, {row.missed} missed, "
            f"{row.failed} failed; {row.running} running; {at_most(self.left_seconds(slots))} left"
        )

    def running_line(self, job: Job) -> str:
        """How far a job under way has come."""
        now = self.last_evaluations.get(job.label, LastEvaluation())
        used = f"{duration(now.submission_seconds)} of {duration(job.budget_seconds)}"
        return f"{job.label}: step {now.step}, {used}" + (f", {now.metric}" if now.metric else "")

    def _row(self, name: str, jobs: Sequence[Job]) -> Row:
        states = [self.states[job.label] for job in jobs]
        return Row(
            name,
            trials=len(jobs),
            running=states.count(RUNNING),
            reached=states.count("reached"),
            missed=states.count("budget exhausted") + states.count("training complete"),
            failed=states.count("failed"),
            left_seconds=sum(self._left(job) for job in jobs if self._open(job)),
        )

    def _open(self, job: Job) -> bool:
        return self.states[job.label] in (TO_DO, UNFINISHED, RUNNING)

    def _left(self, job: Job) -> float:
        used = self.last_evaluations.get(job.label, LastEvaluation()).submission_seconds
        return max(0.0, job.budget_seconds - used)


class ProgressTable:
    """Shows how far a suite has come while it runs.

    Args:
      progress: brought up to date here.
      out: a stream of text; a terminal gets a live table.
      period_seconds: between two looks at the records of what is running.
      now: a monotonic clock in seconds.
    """

    def __init__(
        self,
        progress: SuiteProgress,
        out: TextIO,
        period_seconds: float = 2.0,
        now: Callable[[], float] = time.monotonic,
    ):
        self._progress, self._out = progress, out
        self._period, self._now = period_seconds, now
        self._looked_at = -period_seconds
        self._live = _live(out) if out.isatty() else None
        self._slots = 1

    def started(self, job: Job) -> None:
        """Notes a start."""
        resumed = self._progress.states[job.label] == UNFINISHED
        self._progress.states[job.label] = RUNNING
        self._say(f"{'resumed' if resumed else 'started'}: {job.label}")

    def ended(self, ended: Ended) -> None:
        """Notes an end."""
        label = ended.job.label
        self._progress.states[label] = UNFINISHED if ended.status == LOST else ended.status
        self._progress.last_evaluations[label] = last_evaluation(ended.job.folder)
        self._say(f"{ended.status}: {label} after {duration(ended.wall_seconds)}: {ended.reason}")
        if self._live is None:
            self._say(self._progress.summary(self._slots))

    def skipped(self, job: Job, reason: str) -> None:
        """Notes that a job is left out."""
        self._progress.states[job.label] = "skipped"
        self._say(f"skipped: {job.label}: {reason}")

    def refresh(self, running: Sequence[Job], slots: int) -> None:
        """Looks at the records of what is running, and draws."""
        self._slots = slots
        if self._now() - self._looked_at < self._period:
            return
        self._looked_at = self._now()
        for job in running:
            self._progress.last_evaluations[job.label] = last_evaluation(job.folder)
        if self._live is not None:
            self._live.update(drawing(self._progress, running, slots))

    def close(self) -> None:
        """Leaves the last table on the screen; whatever still ran was stopped."""
        for label, state in self._progress.states.items():
            if state == RUNNING:
                self._progress.states[label] = UNFINISHED
        if self._live is not None:
            self._live.update(drawing(self._progress, (), self._slots))
            self._live.stop()
        else:
            self._out.write(as_text(self._progress, self._slots))
            self._out.flush()

    def _say(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False)
        else:
            self._out.write(line + "\n")
            self._out.flush()


def as_text(progress: SuiteProgress, slots: int) -> str:
    """The table in plain text, columns aligned."""
    lines = [HEADER, *_cells(progress, slots)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADER))]
    text = ""
    for line in lines:
        first, *rest = (
            cell.rjust(w) if i else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        text += "  ".join([first, *rest]).rstrip() + "\n"
    return text


def drawing(progress: SuiteProgress, running: Sequence[Job], slots: int) -> Any:
    """The table, and a line for each running trial, to be drawn by rich."""
    from rich.console import Group
    from rich.table import Table as RichTable
    from rich.text import Text

    table = RichTable(*HEADER)
    for column in table.columns[1:]:
        column.justify = "right"
    for cells in _cells(progress, slots):
        table.add_row(*cells)
    return Group(table, *(Text(progress.running_line(job)) for job in running))


def _cells(progress: SuiteProgress, slots: int) -> list[tuple[str, ...]]:
    rows = progress.rows()
    left = at_most(progress.left_seconds(slots))
    return [*(row.cells() for row in rows[:-1]), rows[-1].cells(left)]


def at_most(seconds: float) -> str:
    """A bound on a time, in words."""
    return f"<= {duration(seconds)}" if seconds else "0 s"


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{seconds / 3600:.1f} h"


def _live(out: TextIO) -> Any:
    from rich.console import Console
    from rich.live import Live

    live = Live(console=Console(file=out), refresh_per_second=2)
    live.start()
    return live


def progress_of(jobs: Sequence[Job], states: Mapping[str, str]) -> SuiteProgress:
    """The progress before anything is started, with what was begun earlier."""
    begun = {job.label: last_evaluation(job.folder) for job in jobs if states[job.label] != TO_DO}
    return SuiteProgress(jobs, dict(states), begun)
