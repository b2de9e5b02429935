"""The submission clock: seconds that a submission is charged for.

JAX returns from a call before the device has done the work, so a clock that is read without
waiting measures the host. At both borders of a timed region this one waits for every device of the
process, whoever dispatched the work and whether or not its result was kept; between start and stop,
`InFlight` keeps the host at most two steps ahead of the device, so that a reading in between is
never more than that early.

What a program cannot see is whose work a thread does. Threads that a submission started, with what
they compute on the host or dispatch to a device while the clock stands, and processes that it
started go unbilled. The record says how much processor time this process used during evaluations
and which threads were alive when they began (`Ledger`), for a reader to judge.
"""

import collections
import threading
import time
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.backend import backends

Now = Callable[[], float]


class SubmissionClock:
    """Accumulates the time between `start` and `stop`.

    Args:
      now: a monotonic clock in seconds.
      elapsed_seconds: what a resumed trial has used before.
      agreed: makes one reading of those of all processes of the job.
    """

    def __init__(
        self,
        now: Now = time.perf_counter,
        elapsed_seconds: float = 0.0,
        agreed: Callable[[float], float] = float,
    ):
        self._now = now
        self._agreed = agreed
        self._accumulated = elapsed_seconds
        self._started: float | None = None

    @property
    def elapsed_seconds(self) -> float:
        """Submission time so far; while the clock runs, a reading that waits for nothing."""
        running = 0.0 if self._started is None else self._now() - self._started
        return self._accumulated + running

    def start(self) -> None:
        """Starts charging, once the devices are idle: what they did is not the submission's."""
        wait_for_devices()
        if self._started is None:
            self._started = self._now()

    def stop(self) -> float:
        """Waits until the devices are idle, stops charging, and returns the time so far."""
        wait_for_devices()
        self._accumulated = self._agreed(self.elapsed_seconds)
        self._started = None
        return self._accumulated


def wait_for_devices() -> None:
    """Returns once this process's devices have done all that was dispatched to them.

    Arrays are waited for by themselves. Programs whose results were dropped are waited for through
    the callbacks they make and through a program behind them: an accelerator runs programs in the
    order of their dispatch, a CPU those of one thread.
    """
    behind = [_increment(jax.device_put(0.0, device)) for device in _local_devices()]
    jax.effects_barrier()
    jax.block_until_ready([*_unfinished_arrays(), *behind])


def _local_devices() -> list[jax.Device]:
    """Of all backends: a program for the CPU may run beside the accelerators."""
    return [device for client in backends().values() for device in client.local_devices()]


def _unfinished_arrays() -> list[jax.Array]:
    """What is not ready; a failed array, maybe another trial's, is, and raises where it is used."""
    arrays = [array for client in backends().values() for array in client.live_arrays()]
    return [array for array in arrays if not array.is_deleted() and not array.is_ready()]


@jax.jit
def _increment(x: jax.Array) -> jax.Array:
    return x + 1


def other_threads() -> list[str]:
    """Names of this process's Python threads, in order, without the one that asks."""
    here = threading.current_thread()
    return sorted({thread.name for thread in threading.enumerate() if thread is not here})


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
