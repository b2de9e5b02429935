"""The timed loop: train until an evaluation is due, evaluate, record, until the trial ends.

On the clock: the submission's `select`, `step` (compilation included), `eval_view` and `control`,
and waiting for input. Off it: evaluation, records, checkpoints. The clock is only stopped once the
device has finished, and the host is never more than two steps ahead of the device.
"""

import dataclasses
import math
import time
import traceback
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from algoperf_jax.errors import TrialError, UserError
from algoperf_jax.submission import Control, Directive, Progress, Submission, TrainState
from algoperf_jax.trial.checkpoints import Checkpoints
from algoperf_jax.trial.clock import InFlight, Now, SubmissionClock
from algoperf_jax.trial.evaluation import Evaluator, check_metrics
from algoperf_jax.trial.ledger import Ledger, Outcome
from algoperf_jax.trial.profiling import StepTrace
from algoperf_jax.trial.programs import Programs
from algoperf_jax.trial.progress import Reporter, Silent
from algoperf_jax.trial.records import LOG_PERIOD_STEPS, TrialRecord, check_folder, discard_folder
from algoperf_jax.trial.setup import DEFAULT_CACHE_DIR, Settings, Trial, set_up
from algoperf_jax.workload import Workload


@dataclasses.dataclass(frozen=True)
class Result:
    """What a trial came to.

    Attributes:
      outcome: how it ended.
      ledger: its steps, times and rows.
      state: the last training state as host arrays, None for a failed trial.
      folder: where its record lies, if it has one.
      traceback: of the error that ended a failed trial.
    """

    outcome: Outcome
    ledger: Ledger
    state: TrainState | None
    folder: Path | None
    traceback: str | None = None


def train(
    workload: Workload,
    submission: Submission,
    settings: Settings | None = None,
    *,
    folder: Path | None = None,
    cache_dir: Path = DEFAULT_CACHE_DIR,
    now: Now = time.perf_counter,
    reporter: Reporter | None = None,
    profile: bool = False,
    overwrite: bool = False,
) -> Result:
    """Trains the workload with the submission until target, budget or an error ends the trial.

    Args:
      workload, submission: what to train and how.
      settings: rules, seed, replicas and so on; the defaults if None.
      folder: where to keep the record, None for none. An unfinished trial of the same
        configuration that lies there is resumed.
      cache_dir: where embedded data are expanded.
      now: a monotonic clock in seconds.
      reporter: what to tell the person who waits.
      profile: write a JAX profiler trace of steps 11 to 20 into the folder.
      overwrite: discard the trial that the folder holds, once this one is ready to begin.

    Raises:
      UserError: the trial cannot begin; no earlier record has been touched then. An error while it
        runs is recorded and becomes the outcome `"failed"` instead.
    """
    trial = set_up(workload, submission, settings or Settings(), cache_dir)
    folder = None if folder is None else Path(folder)
    if profile and folder is None:
        raise UserError("profile: a trace needs a folder to be written to, none was given")
    if folder is not None and not overwrite:
        check_folder(folder, trial.configuration())
    loop = TimedLoop(trial, folder, now, reporter or Silent(), profile)
    if folder is not None and overwrite:
        discard_folder(folder)
    return loop.run()


class TimedLoop:
    """One trial from its first step to its outcome."""

    def __init__(
        self, trial: Trial, folder: Path | None, now: Now, reporter: Reporter, profile: bool
    ):
        self._trial = trial
        self._target = trial.workload.target
        self._folder = folder
        self._now = now
        self._reporter = reporter
        self._trace = StepTrace(folder if profile else None)
        self._record: TrialRecord | None = None
        self._checkpoints: Checkpoints | None = None
        # Data are opened first: where they are missing or damaged, nothing has been touched yet.
        self._stream = trial.training_batches()
        self._evaluate = Evaluator(trial.workload, trial.layout, trial.source)
        self._programs = Programs(trial)
        self._in_flight = InFlight()
        self._host_state: dict[str, Any] | None = None
        control = trial.submission.control
        self._ledger = Ledger(knobs=dict(control.knobs) if control else {})

    def run(self) -> Result:
        """Trains to the end; records whatever ends it."""
        try:
            self._begin()
        except UserError:
            raise
        except Exception as raised:
            if self._ledger.step:  # an interrupted trial stays as it is, to be resumed when mended
                raise TrialError(f"cannot resume {self._folder}: {_reason(raised)}") from raised
            self._open_record()
            return self._failure(raised)
        try:
            outcome = self._outcome_after_evaluation()
            while outcome is None:
                view = self._train_until_due()
                outcome = self._end_before_evaluation() or self._evaluation(*view)
        except Exception as raised:
            return self._failure(raised)
        except BaseException:  # an interrupt: what is under way to disk is still wanted
            if self._checkpoints:
                self._checkpoints.close()
            raise
        return self._end(outcome, None)

    def _failure(self, raised: Exception) -> Result:
        outcome = self._ledger.outcome(self._target, "failed", _reason(raised))
        return self._end(outcome, "".join(traceback.format_exception(raised)))

    def _open_record(self) -> None:
        if self._folder and self._trial.layout.process_index == 0:
            self._record = TrialRecord(self._folder)

    def _begin(self) -> None:
        """The untimed set-up: state and data, from a checkpoint where there is one."""
        trial, layout = self._trial, self._trial.layout
        began = self._now()
        initial = jax.device_get(trial.initial_state())
        initializing = self._now() - began
        self._state_types = jax.eval_shape(lambda: initial)
        self._open_record()
        if self._folder:
            self._checkpoints = Checkpoints(self._folder / "checkpoints")
        found = self._checkpoints.restore(initial) if self._checkpoints else None
        if found is not None:
            initial, saved, self._host_state = found
            self._ledger = Ledger.from_json(saved["ledger"])
            self._ledger.preemption_count += 1
        self._ledger.optimizer_init_seconds = initializing
        self._state = layout.put_state(initial)
        self._programs.set_knobs(self._ledger.knobs)
        if found is not None:
            # Compilation was charged before the break; a trial does not pay for it again.
            step = self._programs.step(self._ledger.phase)
            tried = step(layout.put_state(initial), next(self._stream), self._programs.inputs(0.0))
            jax.block_until_ready((tried, self._programs.view(self._state)))
            self._stream.restore(saved["stream"])
        self._clock = SubmissionClock(self._now, self._ledger.submission_seconds, layout.latest)
        self._began = self._now() - self._ledger.total_seconds
        if self._record:
            self._record.describe(trial.meta_data(), trial.configuration()["hyperparameters"])
            self._record.rows(self._ledger.evaluations, self._ledger.measurements)
        self._reporter.started(trial, self._folder, self._ledger)

    def _train_until_due(self) -> tuple[Any, Any]:
        """Steps on the clock until an evaluation is due or training ends; the view to evaluate."""
        ledger, trial = self._ledger, self._trial
        control = trial.submission.control
        self._clock.start(self._state)
        if control and control.after_eval and ledger.evaluations:
            self._decide(control)
        while not self._pause_due():
            self._trace.before_step(ledger.step)
            self._take_step()
            ledger.complete |= ledger.step == trial.settings.max_steps
            if control and control.every_steps and ledger.step % control.every_steps == 0:
                self._decide(control)
            self._reporter.stepped(ledger.step, ledger.logs, self._elapsed())
        self._note(self._in_flight.drain())
        view = self._programs.view(self._state)
        ledger.submission_seconds = self._clock.stop(self._state, view)
        return view

    def _take_step(self) -> None:
        """Dispatches a step; while the device works, the next batch is built and transferred."""
        ledger = self._ledger
        began = self._clock.elapsed_seconds
        batch = self._trial.submission.select(self._stream)
        step = self._programs.step(ledger.phase)
        self._state, logs = step(self._state, batch, self._programs.inputs(began))
        if ledger.step == 0:
            ledger.first_step_seconds = self._clock.elapsed_seconds - began
        ledger.step += 1
        self._stream.prefetch()
        self._note(self._in_flight.add(ledger.step, logs))

    def _note(self, finished: list[tuple[int, Any]]) -> None:
        """Keeps the scalars of finished steps; raises where a loss is not a number."""
        for step, logs in finished:
            self._ledger.logs = found = self._trial.layout.fetch_scalars(logs)
            control = self._trial.submission.control
            if not math.isfinite(found["loss"]) and not (control and control.survives_nan):
                raise FloatingPointError(f"the training loss of step {step} is not finite")
            if (step - 1) % LOG_PERIOD_STEPS == 0:
                scalars = {k: v for k, v in found.items() if k != "elapsed_seconds"}
                self._ledger.measurements.append({"global_step": step - 1, **scalars})

    def _elapsed(self) -> float:
        """Submission time for decisions, the same on all processes of the job."""
        if self._trial.layout.process_count == 1:
            return self._clock.elapsed_seconds
        return self._ledger.logs.get("elapsed_seconds", self._ledger.submission_seconds)

    def _pause_due(self) -> bool:
        """Whether training has to pause now: it ended, time is up, or an evaluation is due."""
        ledger, problem = self._ledger, self._trial.problem
        if ledger.complete or self._elapsed() >= problem.budget_seconds:
            return True
        if ledger.step == ledger.last_eval_step:
            return False
        if ledger.step == 1:
            return True
        every = self._trial.settings.eval_every_steps
        if every:
            return ledger.step % every == 0
        return self._elapsed() - ledger.last_eval_seconds >= problem.eval_period_seconds

    def _end_before_evaluation(self) -> Outcome | None:
        """The outcome where nothing is left to evaluate: no free evaluation after the budget."""
        ledger, budget = self._ledger, self._trial.problem.budget_seconds
        if ledger.submission_seconds >= budget:
            reason = f"{ledger.submission_seconds:.1f} s used of {budget:.1f} s"
            return ledger.outcome(self._target, "budget exhausted", reason)
        if ledger.complete and ledger.step == ledger.last_eval_step:
            return self._outcome_when_complete()
        return None

    def _evaluation(self, params: Any, model_state: Any) -> Outcome | None:
        """Evaluates off the clock, records, saves; the outcome if this ends the trial."""
        ledger = self._ledger
        began = self._now()
        values = self._evaluate(params, model_state)
        check_metrics(self._trial.workload, values)
        evaluated = self._now()
        ledger.eval_seconds += evaluated - began
        ledger.total_seconds = evaluated - self._began
        row = ledger.record_evaluation(values, self._target)
        self._reporter.evaluated(row)
        self._save(row)
        ledger.logging_seconds += self._now() - evaluated
        return self._outcome_after_evaluation()

    def _outcome_after_evaluation(self) -> Outcome | None:
        """The outcome if the newest evaluation, maybe one before a break, ends the trial."""
        ledger = self._ledger
        goal = ledger.validation_goal
        if self._trial.settings.stop_at == "both":
            goal &= ledger.test_goal
        if goal:
            return ledger.outcome(self._target, "reached", "the target was met")
        return self._outcome_when_complete() if ledger.complete else None

    def _outcome_when_complete(self) -> Outcome:
        reason = f"training ended after {self._ledger.step} steps"
        return self._ledger.outcome(self._target, "training complete", reason)

    def _save(self, row: dict[str, Any]) -> None:
        """Rows and scalars to the record, everything that resuming needs to a checkpoint."""
        if self._record:
            self._record.rows(self._ledger.evaluations, self._ledger.measurements)
            self._record.scalars(row["global_step"], {**self._ledger.logs, **row})
        if self._checkpoints:
            ledger = {"ledger": self._ledger.to_json(), "stream": self._stream.state}
            state = self._trial.layout.fetch_state(self._state)
            self._checkpoints.save(self._ledger.step, state, ledger, self._host_state)

    def _decide(self, control: Control) -> None:
        """Asks the submission's `control`, on the clock, and does as it says."""
        ledger, trial = self._ledger, self._trial
        progress = Progress(
            problem=trial.problem,
            hyperparameters=trial.hyperparameters,
            step=ledger.step,
            elapsed_seconds=self._elapsed(),
            budget_seconds=trial.problem.budget_seconds,
            logs=dict(ledger.logs),
            evaluations=ledger.evaluations_for_submission(),
            phase=ledger.phase,
            knobs=dict(ledger.knobs),
            host_state=self._host_state,
            state=lambda: trial.layout.fetch_state(self._state),
            initial_state=lambda: jax.device_get(trial.initial_state()),
        )
        directive = control.decide(progress) or Directive()
        directive.check(ledger.knobs, self._state_types)
        if directive.phase is not None:
            ledger.phase = directive.phase
        if directive.knobs is not None:
            ledger.knobs = {**ledger.knobs, **directive.knobs}
            self._programs.set_knobs(ledger.knobs)
        if directive.state is not None:
            state = directive.state._replace(step=jnp.int32(ledger.step))
            self._state = trial.layout.put_state(state)
        if directive.host_state is not None:
            self._host_state = dict(directive.host_state)
        ledger.complete |= directive.stop

    def _end(self, outcome: Outcome, error: str | None) -> Result:
        """Writes the last rows and the outcome; nothing of the record is lost by an error."""
        ledger = self._ledger
        self._trace.close()
        if error is None:
            last = {"score": ledger.submission_seconds, "global_step": ledger.step}
            ledger.measurements.append({**last, "preemption_count": ledger.preemption_count})
        if self._checkpoints:
            self._checkpoints.close()
        if self._record:
            self._record.rows(ledger.evaluations, ledger.measurements)
            times = {
                "first_step_seconds": ledger.first_step_seconds,
                "optimizer_init_seconds": ledger.optimizer_init_seconds,
            }
            self._record.outcome({**dataclasses.asdict(outcome), **times, "traceback": error})
            self._record.close()
        self._reporter.ended(outcome, ledger, self._folder)
        state = None if error else self._trial.layout.fetch_state(self._state)
        return Result(outcome, ledger, state, self._folder, error)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
