"""Trials on a Ray cluster: each placed where the accelerators it needs are free.

Every node needs this environment at the same path, and the folders of records and data shared.
On its node a trial is supervised as on one machine. When the node is lost, the trial is begun again
on another one, from its newest checkpoint; a lock on its log makes the new process wait until the
old one is certainly gone. Nothing waits in Ray's own queue but what fits: which trials run, and in
which order, is decided by `scheduler.run` as on one machine.
"""

import logging
from collections.abc import Sequence
from typing import Any

import ray
import ray.exceptions

from algoperf_jax.errors import UserError
from algoperf_jax.suite.supervision import (
    BUSY,
    INTERRUPT_PATIENCE_SECONDS,
    LOST,
    Busy,
    Ended,
    Job,
    record_failure,
    supervise,
)

LOCK_PATIENCE_SECONDS = 300.0
"""How long a trial that is begun again waits for its old process to be gone: shared file systems
need a while to give up the locks of a machine that died."""


class RayEngine:
    """The engine of a Ray cluster.

    Args:
      address: of a running cluster, as `ray.init` takes it; None for one of this machine's own.
      most_at_once: trials at once; None for as many as fit.
      gpus: GPUs of each trial; None for those of the best node, `most_gpus` at most.
      most_gpus: see `gpus`.
      cpus: CPU cores of each trial.
      python_path: the trials' PYTHONPATH, if there is one.

    Raises:
      UserError: no cluster answers, or none of its nodes has room for a trial.
    """

    def __init__(
        self,
        address: str | None,
        *,
        most_at_once: int | None = None,
        gpus: int | None = None,
        most_gpus: int = 1,
        cpus: int = 1,
        python_path: str | None = None,
    ):
        _connect(address, python_path)
        best = max((_count(node, "GPU") for node in _nodes()), default=0)
        self._gpus = min(best, most_gpus) if gpus is None else gpus
        self._cpus = cpus
        self._most = most_at_once
        self._tasks: dict[Any, Job] = {}
        if not any(self._room(node) for node in _nodes()):
            most_cpus = max((_count(node, "CPU") for node in _nodes()), default=0)
            ray.shutdown()
            raise UserError(
                f"--engine=ray: a trial needs {self._gpus} GPUs and {cpus} CPU cores on one node; "
                f"the largest has {best} GPUs, the largest {most_cpus} cores; change "
                "--gpus_per_trial or --cpus_per_trial"
            )
        # Ray tries nothing again by itself: what a death means is decided in `poll`.
        placed = ray.remote(num_cpus=cpus, num_gpus=self._gpus, max_retries=0)
        self._supervise = placed(supervise)

    @property
    def slots(self) -> int:
        """How many trials the nodes that are alive have room for, one at least."""
        room = sum(self._room(node) for node in _nodes())
        return max(1, room if self._most is None else min(room, self._most))

    @property
    def free(self) -> int:
        """How many more trials may be started now."""
        return self.slots - len(self._tasks)

    @property
    def running(self) -> Sequence[Job]:
        """What is under way."""
        return list(self._tasks.values())

    def start(self, job: Job) -> None:
        """Hands a trial to the cluster."""
        self._tasks[self._supervise.remote(job, LOCK_PATIENCE_SECONDS)] = job

    def poll(self) -> list[Ended]:
        """What has ended since the last call."""
        if not self._tasks:
            return []
        tasks = list(self._tasks)
        ready, _ = ray.wait(tasks, num_returns=len(tasks), timeout=0)
        return [self._end(task, self._tasks.pop(task)) for task in ready]

    def stop(self) -> None:
        """Interrupts all trials, waits for them to leave, and lets go of the cluster."""
        for task in self._tasks:
            ray.cancel(task)  # an interrupt in `supervise`, which hands it on to the trial
        if self._tasks:
            tasks = list(self._tasks)
            ray.wait(tasks, num_returns=len(tasks), timeout=1.5 * INTERRUPT_PATIENCE_SECONDS)
        self._tasks.clear()
        ray.shutdown()

    def _end(self, task: Any, job: Job) -> Ended:
        try:
            return ray.get(task)
        except Busy as error:
            return Ended(job, BUSY, str(error), 0.0)
        except ray.exceptions.OutOfMemoryError:
            reason = "killed by Ray as memory ran out on its node"
            record_failure(job.folder, reason)
            return Ended(job, "failed", reason, 0.0)
        except ray.exceptions.RayTaskError:
            raise  # an error of the supervisor itself
        except ray.exceptions.RayError as error:
            return Ended(job, LOST, f"with its node: {type(error).__name__}", 0.0)

    def _room(self, node: dict[str, Any]) -> int:
        rooms = [_count(node, "CPU") // self._cpus]
        if self._gpus:
            rooms.append(_count(node, "GPU") // self._gpus)
        return min(rooms)


def _connect(address: str | None, python_path: str | None) -> None:
    variables = {"env_vars": {"PYTHONPATH": python_path}} if python_path else {}
    # Without an address never some cluster that happens to run here.
    own: dict[str, Any] = {}
    if address is None:
        # Ray would give its workers, and with them the trials, a low priority.
        own = {"include_dashboard": False, "_system_config": {"worker_niceness": 0}}
    try:
        ray.init(
            address=address or "local",
            runtime_env=variables,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **own,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(
            f"--address: no Ray cluster answers at {address!r}: {error}; `ray start --head` starts "
            "one and prints its address"
        ) from None


def _nodes() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _count(node: dict[str, Any], resource: str) -> int:
    return int(node["Resources"].get(resource, 0))
