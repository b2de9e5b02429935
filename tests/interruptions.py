"""Trials that are broken off, as a signal would do it: nothing of the submission is another."""

from algoperf_jax.trial.progress import Silent


class Interrupt(BaseException):
    """Not an error of the trial."""


class InterruptIn(Silent):
    """A reporter that breaks the trial off in the step of that number, counted from 1."""

    def __init__(self, step):
        self._step = step

    def stepped(self, step, logs, elapsed_seconds):
        if step == self._step:
            raise Interrupt
