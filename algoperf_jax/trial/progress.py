"""What the person who waits for a trial sees of it."""

import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO, cast

from algoperf_jax.trial.ledger import Ledger, Outcome
from algoperf_jax.trial.machine import machine_work
from algoperf_jax.trial.setup import Trial
from algoperf_jax.trial.watchers import is_watched


class Reporter(Protocol):
    """Told of a trial's course; called on the thread of the loop, so it has to be quick."""

    def started(self, trial: Trial, folder: Path | None, ledger: Ledger) -> None: ...

    def noted(self, remark: str) -> None: ...

    def stepped(self, step: int, logs: Mapping[str, float], elapsed_seconds: float) -> None: ...

    def evaluated(self, row: Mapping[str, Any]) -> None: ...

    def ended(self, outcome: Outcome, ledger: Ledger, folder: Path | None) -> None: ...


def outside_the_trial(reporter: Reporter) -> Reporter:
    """The reporter, such that an error in it is told from those of the submission."""

    class Outside:
        def __getattr__(self, name: str) -> Any:
            def report(*told: Any) -> None:
                with machine_work("report progress"):
                    getattr(reporter, name)(*told)

            return report

    return cast(Reporter, Outside())


class Silent:
    """Says nothing."""

    def started(self, trial: Trial, folder: Path | None, ledger: Ledger) -> None:
        pass

    def noted(self, remark: str) -> None:
        pass

    def stepped(self, step: int, logs: Mapping[str, float], elapsed_seconds: float) -> None:
        pass

    def evaluated(self, row: Mapping[str, Any]) -> None:
        pass

    def ended(self, outcome: Outcome, ledger: Ledger, folder: Path | None) -> None:
        pass


def suitable_reporter() -> Reporter:
    """Lines where somebody seems to watch, else nothing."""
    return Lines() if is_watched() else Silent()


class Lines:
    """Plain lines for each evaluation; on a terminal also one live line that is kept up to date."""

    LIVE_PERIOD_SECONDS = 0.5

    def __init__(self, out: TextIO | None = None):
        self._out = out or sys.stdout
        self._live = self._out.isatty()
        self._drawn_at = 0.0
        self._width = 0
        self._metric = self._scale = ""

    def started(self, trial: Trial, folder: Path | None, ledger: Ledger) -> None:
        problem = trial.problem
        self._budget, self._scale = problem.budget_seconds, trial.workload.scale
        self._name = problem.target_metric
        sign = ">=" if problem.target_direction == "max" else "<="
        self._goal = f"{sign} {problem.target_value:.5g}"
        layout = trial.layout
        processes = f" in {layout.process_count} processes" if layout.process_count > 1 else ""
        self._say(
            f"{trial.workload.name} ({trial.workload.scale}) with {trial.submission.name}, batch "
            f"{problem.batch_size} (chosen by {trial.batch_size_chosen_by}), "
            f"replicas {layout.count} on "
            f"{len(layout.devices)} {layout.devices[0].platform} device(s){processes}"
        )
        self._say(
            f"target: validation {self._name} {self._goal} "
            f"within {_duration(self._budget)} of submission time"
        )
        if ledger.preemption_count:
            self._say(f"resumed at step {ledger.step}, {_duration(ledger.submission_seconds)} used")
        self._say("compiling the first step ...")

    def noted(self, remark: str) -> None:
        self._say(f"note: {remark}")

    def stepped(self, step: int, logs: Mapping[str, float], elapsed_seconds: float) -> None:
        if not self._live or time.monotonic() - self._drawn_at < self.LIVE_PERIOD_SECONDS:
            return
        self._drawn_at = time.monotonic()
        loss = f"loss {logs['loss']:.4f}  " if logs else ""
        used = f"{_duration(elapsed_seconds)} of {_duration(self._budget)}"
        line = f"step {step}  {loss}{self._metric}submission time {used}"
        # A line that wraps could not be drawn over.
        line = line[: shutil.get_terminal_size().columns - 1]
        self._out.write("\r" + line.ljust(self._width))
        self._out.flush()
        self._width = len(line)

    def evaluated(self, row: Mapping[str, Any]) -> None:
        value = row[f"validation/{self._name}"]
        self._metric = f"{self._name} {value:.4f} ({self._goal})  "
        test = row.get(f"test/{self._name}")
        self._say(
            f"step {row['global_step']:>6}  {_duration(row['score']):>8}  "
            f"{self._name} {value:.5f}{'' if test is None else f' (test {test:.5f})'}  "
            f"loss {row['validation/loss']:.5f} (train {row['train/loss']:.5f})"
        )

    def ended(self, outcome: Outcome, ledger: Ledger, folder: Path | None) -> None:
        used = f"{ledger.step} steps and {_duration(ledger.submission_seconds)} of submission time"
        if outcome.status == "reached":
            self._say(
                f"target reached at step {outcome.step_at_target} after "
                f"{outcome.seconds_at_target:.1f} s of submission time"
            )
        else:
            self._say(f"target not reached in {used}: {outcome.status}, {outcome.reason}")
        self._say(
            f"evaluation took {_duration(ledger.eval_seconds)}, "
            f"records {_duration(ledger.logging_seconds)}, " + self._compilation(ledger)
        )
        if folder:
            self._say(f"record: {folder}")

    def _compilation(self, ledger: Ledger) -> str:
        if self._scale == "mini":
            seconds = ledger.uncharged_compilation_seconds
            return f"compilation {seconds:.1f} s (not charged at scale mini)"
        return f"compilation of the first step {ledger.first_step_seconds:.1f} s (on the clock)"

    def _say(self, line: str) -> None:
        if self._live and self._width:
            self._out.write("\r" + " " * self._width + "\r")
            self._width = 0
        self._out.write(line + "\n")
        self._out.flush()


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
