"""The submission clock: seconds that a submission is charged for.

JAX returns from a call before the device has done the work, so a clock that is read without
waiting measures the host. This one stops only once everything it is given is ready; between
start and stop, `InFlight` keeps the host at most two steps ahead of the device, so that a reading
in between is never more than that early.
"""

import collections
import time
from collections.abc import Callable
from typing import Any

import jax

Now = Callable[[], float]


class SubmissionClock:
    """Accumulates the time between `start` and `stop`.

    Args:
      now: a monotonic clock in seconds.
      elapsed_seconds: what a resumed trial has used before.
      latest: makes one reading of those of all processes of the job.
    """

    def __init__(
        self,
        now: Now = time.perf_counter,
        elapsed_seconds: float = 0.0,
        latest: Callable[[float], float] = float,
    ):
        self._now = now
        self._latest = latest
        self._accumulated = elapsed_seconds
        self._started: float | None = None

    @property
    def elapsed_seconds(self) -> float:
        """Submission time so far; while the clock runs, a reading that waits for nothing."""
        running = 0.0 if self._started is None else self._now() - self._started
        return self._accumulated + running

    def start(self, *work: Any) -> None:
        """Starts charging, once the arrays in `work` are ready: they are not the submission's."""
        jax.block_until_ready(work)
        if self._started is None:
            self._started = self._now()

    def stop(self, *work: Any) -> float:
        """Waits for the arrays in `work`, stops charging, and returns the time so far."""
        jax.block_until_ready(work)
        self._accumulated = self._latest(self.elapsed_seconds)
        self._started = None
        return self._accumulated


class InFlight:
    """The logs of steps that were dispatched and not yet waited for, at most `limit` of them."""

    def __init__(self, limit: int = 2):
        self._limit = limit
        self._steps: collections.deque[tuple[int, Any]] = collections.deque()

    def add(self, step: int, logs: Any) -> list[tuple[int, Any]]:
        """Notes a dispatched step; waits for and returns the steps that have to finish now."""
        self._steps.append((step, logs))
        return self._finish(self._limit - 1)

    def drain(self) -> list[tuple[int, Any]]:
        """Waits for and returns all steps."""
        return self._finish(0)

    def _finish(self, remaining: int) -> list[tuple[int, Any]]:
        finished = []
        while len(self._steps) > remaining:
            step, logs = self._steps.popleft()
            finished.append((step, jax.block_until_ready(logs)))
        return finished
