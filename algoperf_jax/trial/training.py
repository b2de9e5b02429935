"""The timed loop: train until an evaluation is due, evaluate, record, until the trial ends.

On the clock: the submission's `select`, `step` (at scale full its compilation, too), `eval_view`
and `control`, and waiting for input. Off it: evaluation, records, checkpoints. The clock is only
stopped once the devices have finished, and the host is never more than two steps ahead of them.
"""

import contextlib
import dataclasses
import math
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from algoperf_jax.control import Control, Directive, Progress, knob_values
from algoperf_jax.errors import MachineError, TrialError, UserError
from algoperf_jax.objective_ranges import OBJECTIVE_RANGES, check_objective_value
from algoperf_jax.own_code import excerpt, explained, in_hook, own_frames
from algoperf_jax.problem import TrainState
from algoperf_jax.selection import Moment
from algoperf_jax.submission import Submission
from algoperf_jax.trial.archive import Archive, Snapshot, discard_by_job, sole_use_by_job
from algoperf_jax.trial.carry import KeptCarry
from algoperf_jax.trial.checkpoints import Restored
from algoperf_jax.trial.clock import InFlight, Now, SubmissionClock, other_threads
from algoperf_jax.trial.compilation_cache import compilation_cache
from algoperf_jax.trial.endings import after_evaluation, before_evaluation, pause_due
from algoperf_jax.trial.environment import describe_environment
from algoperf_jax.trial.evaluation import Evaluator, check_metrics
from algoperf_jax.trial.ledger import Ledger, Outcome
from algoperf_jax.trial.machine import is_of_the_machine, machine_error, machine_work
from algoperf_jax.trial.profiling import TRACED_STEPS, StepTrace
from algoperf_jax.trial.programs import Programs
from algoperf_jax.trial.progress import Reporter, outside_the_trial, suitable_reporter
from algoperf_jax.trial.records import LOG_PERIOD_STEPS, check_folder, has_failed
from algoperf_jax.trial.result import Result, TrialFailed
from algoperf_jax.trial.selection import Selection
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.setup import DEFAULT_CACHE_DIR, Trial, set_up
from algoperf_jax.trial.typed_keys import as_keys, as_numbers
from algoperf_jax.trial.watchers import in_notebook
from algoperf_jax.workload import Batch, Data, Workload


def train(
    workload: Workload,
    submission: Submission,
    settings: Settings | None = None,
    *,
    folder: Path | None = None,
    cache_dir: Path = DEFAULT_CACHE_DIR,
    data: Data | None = None,
    now: Now = time.perf_counter,
    reporter: Reporter | None = None,
    profile: bool = False,
    overwrite: bool = False,
    retry_failed: bool = False,
    raise_failure: bool | None = None,
) -> Result:
    """Trains the workload with the submission until target, budget or an error ends the trial.

    Args:
      workload, submission: what to train and how.
      settings: rules, seed, replicas and so on; the defaults if None.
      folder: where to keep the record, None for none. An unfinished trial of the same
        configuration that lies there is resumed.
      cache_dir: where embedded data are expanded.
      data: the workload's data, opened beforehand with `open_data`; None: opened here.
      now: a monotonic clock in seconds.
      reporter: what to tell the person who waits; None for lines where one seems to watch, on a
        terminal or in a notebook, and for nothing elsewhere.
      profile: write a JAX profiler trace of steps 11 to 20 into the folder.
      overwrite: discard the trial that the folder holds, once this one is ready to begin.
      retry_failed: discard the trial that the folder holds if it is this one, be it with another
        version of the submission's file, and has failed.
      raise_failure: whether a trial that failed raises, once it is recorded, rather than gives a
        result whose outcome says so; None for what suits: in a notebook it raises.

    Raises:
      UserError: the trial cannot begin, for one because another process is at work on it; no
        earlier record has been touched then. An error while it runs is recorded and becomes the
        outcome `"failed"` instead.
      MachineError: a full disk, a closed pipe, a reporter that raises; no outcome is recorded, and
        the trial can be resumed.
      TrialFailed: see `raise_failure`.
    """
    settings = settings or Settings()
    folder = None if folder is None else Path(folder)
    if profile and folder is None:
        raise UserError("profile: a trace needs a folder to be written to, none was given")
    with contextlib.ExitStack() as stack:
        stack.enter_context(compilation_cache(settings.compilation_cache))
        trial = set_up(workload, submission, settings, cache_dir, data)
        if folder is not None and not overwrite:
            check_folder(folder, trial.configuration(), retry_failed=retry_failed)
        loop = TimedLoop(trial, folder, now, reporter or suitable_reporter(), profile)
        if folder is not None:
            stack.enter_context(sole_use_by_job(folder, trial.layout))
            if not overwrite:  # another process may have ended the trial since
                check_folder(folder, trial.configuration(), retry_failed=retry_failed)
            if overwrite or (retry_failed and has_failed(folder)):
                discard_by_job(folder, trial.layout)
        result = loop.run()
    if result.outcome.status == "failed" and (
        in_notebook() if raise_failure is None else raise_failure
    ):
        where = f"\n{result.excerpt}" if result.excerpt else ""
        raise TrialFailed(f"{result.outcome.reason}{where}")
    return result


class TimedLoop:
    """One trial from its first step to its outcome."""

    def __init__(
        self, trial: Trial, folder: Path | None, now: Now, reporter: Reporter, profile: bool
    ):
        self._trial = trial
        self._target = trial.workload.target
        self._folder = folder
        self._now = now
        self._reporter = outside_the_trial(reporter)
        self._trace = StepTrace(folder if profile else None)
        every = trial.settings.checkpoint_every_seconds
        self._archive = Archive(folder, trial.layout, now, every)
        # Data are opened first: where they are missing or damaged, nothing has been touched yet.
        stream = trial.training_batches()
        self._selection = Selection(trial.submission.select, stream, trial.layout)
        self._evaluate = Evaluator(trial.workload, trial.layout, trial.data)
        self._programs = Programs(trial)
        self._in_flight = InFlight()
        self._compiled: set[Any] = set()  # phases, off the clock
        self._host_state: dict[str, Any] | None = None
        control = trial.submission.control
        self._ledger = Ledger(knobs=knob_values(control.knobs) if control else {})

    def run(self) -> Result:
        """Trains to the end; records whatever ends it."""
        try:
            self._begin()
        except UserError:
            raise
        except Exception as raised:
            self._leave_if_of_the_machine(raised)
            if self._archive.interrupted:  # it stays as it is, to be resumed when mended
                raise TrialError(f"cannot resume {self._folder}: {explained(raised)}") from raised
            self._archive.open()
            return self._failure(raised)
        try:
            outcome = after_evaluation(self._ledger, self._target, self._trial.settings)
            while outcome is None:
                view = self._train_until_due()
                budget = self._trial.problem.budget_seconds
                outcome = before_evaluation(self._ledger, self._target, budget)
                outcome = outcome or self._evaluation(*view)
        except Exception as raised:
            self._leave_if_of_the_machine(raised)
            # A reading: to wait for the devices, or the other processes, might never end.
            self._ledger.submission_seconds = self._clock.elapsed_seconds
            return self._failure(raised)
        except BaseException:  # an interrupt: what is under way to disk is still wanted
            self._archive.close()
            raise
        return self._end(outcome, None)

    def _leave_if_of_the_machine(self, raised: Exception) -> None:
        """Raises a `MachineError`, and leaves the trial to be resumed, if the error is such."""
        if is_of_the_machine(raised):
            with contextlib.suppress(MachineError):  # for the same reason, as a rule
                self._archive.close()
            raise raised if isinstance(raised, MachineError) else machine_error(raised) from raised

    def _failure(self, raised: Exception) -> Result:
        outcome = self._ledger.outcome(self._target, "failed", explained(raised))
        result = self._end(outcome, "".join(traceback.format_exception(raised)))
        return dataclasses.replace(result, excerpt=excerpt(own_frames(raised)))

    def _begin(self) -> None:
        """The untimed set-up: state and data, from a checkpoint where there is one."""
        trial, layout = self._trial, self._trial.layout
        began = self._now()
        initial = jax.device_get(trial.initial_state())
        initializing = self._now() - began
        self._state_types = jax.eval_shape(lambda: initial)
        self._archive.open()
        found = self._archive.restore(initial)
        if found is not None:
            initial, saved, kept = found.state, found.ledger, found.host_state or {}
            self._host_state = kept.get("control")
            self._ledger = Ledger.from_json(saved["ledger"])
            self._ledger.preemption_count += 1
            self._note_unreadable(found)
        self._ledger.starts.append({"step": self._ledger.step, **describe_environment()})
        self._ledger.optimizer_init_seconds = initializing
        if trial.settings.compilation_cache is not None:
            self._ledger.compilation_cache = str(trial.settings.compilation_cache)
        self._programs.set_knobs(self._ledger.knobs)
        self._clock = SubmissionClock(
            self._now, self._ledger.submission_seconds, layout.max_over_processes
        )
        if found is not None:
            carry = KeptCarry(saved["carry"], kept.get("select", {}))
            self._selection.restore(saved["stream"], carry)
            self._compile(layout.put_state(initial))
            self._selection.restore(saved["stream"], carry)
        self._state = layout.put_state(initial)
        self._began = self._now() - self._ledger.total_seconds
        point = trial.configuration()["hyperparameters"]
        self._archive.begun(trial.meta_data(), point, self._ledger)
        self._reporter.started(trial, self._folder, self._ledger)

    def _note_unreadable(self, found: Restored) -> None:
        for step, fault in found.unreadable.items():
            self._ledger.unreadable_checkpoints.append({"step": step, "reason": fault})
            self._reporter.noted(
                f"the checkpoint of step {step} cannot be read ({fault}); it was put aside, and "
                f"the trial goes back to step {found.step}"
            )

    def _compile(self, state: TrainState) -> None:
        """One step on a copy of the state: what was charged before a break is not charged again.

        Devices need not have room for two states, so the copy goes before the state comes.
        """
        step = self._programs.step(self._ledger.phase)
        tried, _ = step(state, self._selection.batch(self._moment()), self._programs.inputs(0.0))
        jax.block_until_ready(self._programs.view(tried))
        self._compiled.add(self._ledger.phase)

    def _train_until_due(self) -> tuple[Any, Any]:
        """Steps on the clock until an evaluation is due or training ends; the view to evaluate."""
        ledger, trial = self._ledger, self._trial
        control = trial.submission.control
        self._clock.start()
        if control and control.after_eval and ledger.evaluations:
            self._decide(control)
        while not pause_due(ledger, self._elapsed(), trial.problem, trial.settings):
            self._trace.before_step(ledger.step)
            self._take_step()
            ledger.complete |= ledger.step == trial.settings.max_steps
            if control and control.every_steps and ledger.step % control.every_steps == 0:
                self._decide(control)
            self._reporter.stepped(ledger.step, ledger.logs, self._elapsed())
        self._note(self._in_flight.drain())
        view = self._programs.view(self._state)
        ledger.submission_seconds = self._clock.stop()
        return view

    def _take_step(self) -> None:
        """Dispatches a step; while the device works, the next batch is built and transferred."""
        ledger = self._ledger
        began = self._clock.elapsed_seconds
        batch = self._selection.batch(self._moment())
        step, inputs = self._programs.step(ledger.phase), self._programs.inputs(began)
        if self._trial.workload.scale == "mini" and ledger.phase not in self._compiled:
            self._compile_uncharged(step, batch, inputs)
        self._state, logs = step(self._state, batch, inputs)
        if ledger.step == 0:
            ledger.first_step_seconds = self._clock.elapsed_seconds - began
        ledger.step += 1
        self._selection.prefetch()
        self._note(self._in_flight.add(ledger.step, logs))

    def _compile_uncharged(self, step: Callable, batch: Batch, inputs: dict[str, Any]) -> None:
        """Compiles a phase's step and view with the clock stopped, on a copy of the state.

        At scale mini a laptop's compilation would decide what an algorithm is told to be worth.
        """
        self._clock.stop()
        began = self._now()
        tried, _ = step(jax.tree.map(jnp.copy, self._state), batch, inputs)
        jax.block_until_ready(self._programs.view(tried))
        self._compiled.add(self._ledger.phase)
        self._ledger.uncharged_compilation_seconds += self._now() - began
        self._clock.start()

    def _note(self, finished: list[tuple[int, Any]]) -> None:
        """Keeps the scalars of finished steps; raises where one is not what it may be."""
        for step, logs in finished:
            self._ledger.logs = found = self._trial.layout.fetch_scalars(logs)
            control = self._trial.submission.control
            if not math.isfinite(found["loss"]) and not (control and control.survives_nan):
                raise FloatingPointError(
                    f"the training loss of step {step} is not finite; a submission that copes with "
                    "this has a Control with survives_nan=True"
                )
            for name in OBJECTIVE_RANGES.keys() & found.keys():
                check_objective_value(name, found[name])
            if (step - 1) % LOG_PERIOD_STEPS == 0:
                scalars = {k: v for k, v in found.items() if k != "elapsed_seconds"}
                self._ledger.measurements.append({"global_step": step - 1, **scalars})

    def _elapsed(self) -> float:
        """Submission time for decisions, the same on all processes of the job."""
        if self._trial.layout.process_count == 1:
            return self._clock.elapsed_seconds
        return self._ledger.logs.get("elapsed_seconds", self._ledger.submission_seconds)

    def _moment(self) -> Moment:
        return Moment(self._ledger.step, self._elapsed() / self._trial.problem.budget_seconds)

    def _evaluation(self, params: Any, model_state: Any) -> Outcome | None:
        """Evaluates off the clock, records, saves; the outcome if this ends the trial."""
        ledger = self._ledger
        threads = {*ledger.threads_at_evaluation, *other_threads()}
        ledger.threads_at_evaluation = sorted(threads)
        began, cpu_began = self._now(), time.process_time()
        values = self._evaluate(params, model_state)
        check_metrics(self._trial.workload, values)
        evaluated = self._now()
        ledger.eval_seconds += evaluated - began
        ledger.eval_process_cpu_seconds += time.process_time() - cpu_began
        ledger.total_seconds = evaluated - self._began
        row = ledger.record_evaluation(values, self._target)
        self._reporter.evaluated(row)
        self._archive.evaluated(ledger, self._snapshot)
        ledger.logging_seconds += self._now() - evaluated
        return after_evaluation(ledger, self._target, self._trial.settings)

    def _snapshot(self) -> Snapshot:
        """Everything that resuming needs."""
        carry = self._selection.kept()
        position = {"stream": self._selection.position, "carry": carry.form}
        ledger = {"ledger": self._ledger.to_json(), **position}
        kept = {"control": self._host_state, "select": carry.arrays}
        hooks = {hook: arrays for hook, arrays in kept.items() if arrays}
        return Snapshot(self._trial.layout.fetch_state(self._state), ledger, hooks)

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
            state=lambda: as_keys(trial.layout.fetch_state(self._state)),
            initial_state=lambda: as_keys(jax.device_get(trial.initial_state())),
        )
        with in_hook("control"):
            directive = control.decide(progress)
        if directive is None:
            directive = Directive()
        if not isinstance(directive, Directive):
            raise UserError(
                f"control: decide returned a {type(directive).__name__}; a Directive or None is "
                "needed"
            )
        if directive.state is not None:
            directive = dataclasses.replace(directive, state=as_numbers(directive.state))
        directive.check(ledger.knobs, self._state_types)
        if directive.phase is not None:
            ledger.phase = directive.phase
        if directive.knobs is not None:
            ledger.knobs = {**ledger.knobs, **knob_values(directive.knobs)}
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
        with machine_work("write the trace"):
            self._trace.close()
        if self._trace.missed:
            self._reporter.noted(
                f"no profile was written: it is of steps {TRACED_STEPS.start + 1} to "
                f"{TRACED_STEPS.stop}, and this process made none of them"
            )
        if error is None:
            self._archive.trained(ledger, self._snapshot)
        last = {"score": ledger.submission_seconds, "global_step": ledger.step}
        ledger.measurements.append({**last, "preemption_count": ledger.preemption_count})
        self._archive.ended(outcome, ledger, error)
        try:
            self._reporter.ended(outcome, ledger, self._folder)
        except MachineError as fault:  # the trial has ended and its result is wanted
            warnings.warn(str(fault.__cause__), stacklevel=2)
        state = None if error else as_keys(self._trial.layout.fetch_state(self._state))
        name = f"{self._trial.workload.name} with {self._trial.submission.name}"
        return Result(outcome, ledger, state, self._folder, self._target, name, error)
