"""The loop of a suite: keeps an engine busy until every job has ended."""

import collections
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from algoperf_jax.suite.supervision import LOST, REFUSED, Ended, Job

POLL_SECONDS = 0.5
MOST_LOSSES = 10
"""How often a job is begun again elsewhere after its machine was lost."""


class Engine(Protocol):
    """Where jobs run."""

    @property
    def slots(self) -> int:
        """How many jobs run at once; may change."""

    @property
    def free(self) -> int:
        """How many more jobs may be started now."""

    @property
    def running(self) -> Sequence[Job]:
        """What is under way."""

    def start(self, job: Job) -> None:
        """Starts a job."""

    def poll(self) -> list[Ended]:
        """What has ended since the last call."""

    def stop(self) -> None:
        """Ends everything under way so that it can be resumed, and lets go of what it holds."""


class Observer(Protocol):
    """Told of the suite's course."""

    def started(self, job: Job) -> None: ...

    def ended(self, ended: Ended) -> None: ...

    def skipped(self, job: Job, reason: str) -> None: ...

    def refresh(self, running: Sequence[Job], slots: int) -> None: ...


def run(
    jobs: Sequence[Job],
    engine: Engine,
    observer: Observer,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Ended]:
    """Runs all jobs in their order; how each one ended.

    A job whose machine was lost is begun again, before all others. When a job is refused, the
    others of its workload are left out: the same command would be refused again.

    However it ends, an interrupt included, the engine is stopped.
    """
    waiting = collections.deque(jobs)
    losses: collections.Counter[str] = collections.Counter()
    ends: list[Ended] = []
    try:
        while waiting or engine.running:
            while waiting and engine.free > 0:
                job = waiting.popleft()
                engine.start(job)
                observer.started(job)
            for ended in engine.poll():
                if ended.status == LOST and losses[ended.job.label] < MOST_LOSSES:
                    losses[ended.job.label] += 1
                    waiting.appendleft(ended.job)
                else:
                    ends.append(ended)
                observer.ended(ended)
                if ended.status == REFUSED:
                    waiting = _without(ended, waiting, observer)
            observer.refresh(engine.running, engine.slots)
            sleep(POLL_SECONDS)
    finally:
        engine.stop()
    return ends


def _without(
    refused: Ended, waiting: collections.deque[Job], observer: Observer
) -> collections.deque[Job]:
    kept = collections.deque(job for job in waiting if job.workload != refused.job.workload)
    for job in waiting:
        if job.workload == refused.job.workload:
            observer.skipped(job, f"{refused.job.label} was refused")
    return kept
