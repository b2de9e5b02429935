"""A profiler trace of a few steps of a trial."""

from pathlib import Path

import jax

TRACED_STEPS = range(10, 20)
"""Late enough that compilation is over, few enough that the trace can be opened."""


class StepTrace:
    """Writes a JAX profiler trace of `TRACED_STEPS` below `folder`; does nothing if that is None.

    The trace's own cost falls on the submission clock: times of a profiled trial do not compare.
    """

    def __init__(self, folder: Path | None):
        self._folder = folder
        self._running = False
        self._begun = False

    @property
    def missed(self) -> bool:
        """Whether a trace was asked for and the trial did not come to its first step."""
        return self._folder is not None and not self._begun

    def before_step(self, step: int) -> None:
        """Starts or stops the trace, called with the number of completed steps."""
        if self._folder is None:
            return
        if step == TRACED_STEPS.start:
            jax.profiler.start_trace(str(self._folder / "profile"))
            self._running = self._begun = True
        elif step >= TRACED_STEPS.stop:
            self.close()

    def close(self) -> None:
        """Ends a trace that is still running."""
        if self._running:
            jax.profiler.stop_trace()
            self._running = False
