"""When training pauses for an evaluation and what ends a trial, as functions of its ledger."""

from algoperf_jax.problem import Problem
from algoperf_jax.trial.ledger import Ledger, Outcome
from algoperf_jax.trial.settings import Settings
from algoperf_jax.workload import Target


def pause_due(ledger: Ledger, elapsed_seconds: float, problem: Problem, settings: Settings) -> bool:
    """Whether training has to pause now: it ended, time is up, or an evaluation is due.

    Args:
      ledger: of the running trial.
      elapsed_seconds: submission time, the same on all processes of the job.
      problem: has the budget and the evaluation period.
      settings: may set the period in steps.
    """
    if ledger.complete or elapsed_seconds >= problem.budget_seconds:
        return True
    if ledger.step == ledger.last_eval_step:
        return False
    if ledger.step == 1:
        return True
    if settings.eval_every_steps:
        return ledger.step % settings.eval_every_steps == 0
    return elapsed_seconds - ledger.last_eval_seconds >= problem.eval_period_seconds


def before_evaluation(ledger: Ledger, target: Target, budget_seconds: float) -> Outcome | None:
    """The outcome where nothing is left to evaluate: no free evaluation after the budget."""
    if ledger.submission_seconds >= budget_seconds:
        reason = f"{ledger.submission_seconds:.1f} s used of {budget_seconds:.1f} s"
        return ledger.outcome(target, "budget exhausted", reason)
    if ledger.complete and ledger.step == ledger.last_eval_step:
        return _when_complete(ledger, target)
    return None


def after_evaluation(ledger: Ledger, target: Target, settings: Settings) -> Outcome | None:
    """The outcome if the newest evaluation, maybe one before a break, ends the trial."""
    if ledger.validation_goal and (settings.stop_at != "both" or ledger.test_goal):
        return ledger.outcome(target, "reached", "the target was met")
    return _when_complete(ledger, target) if ledger.complete else None


def _when_complete(ledger: Ledger, target: Target) -> Outcome:
    reason = f"training ended after {ledger.step} steps"
    return ledger.outcome(target, "training complete", reason)
