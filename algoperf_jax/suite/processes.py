"""The default engine: trials as child processes of this machine."""

import time
from collections.abc import Mapping, Sequence

from algoperf_jax.suite.supervision import (
    BUSY,
    INTERRUPT_PATIENCE_SECONDS,
    Busy,
    Child,
    Ended,
    Job,
)


class LocalProcesses:
    """The engine of one machine: so many processes at once.

    Args:
      slots: how many run at once.
      environment: of the processes; None for this process's own.
      gpus_per_trial: each process sees so many GPUs of its own, the first slot the first ones;
        None leaves them all to all.
    """

    def __init__(
        self,
        slots: int,
        environment: Mapping[str, str] | None = None,
        gpus_per_trial: int | None = None,
    ):
        self.slots = slots
        self._environment, self._gpus = environment, gpus_per_trial
        self._children: dict[int, Child] = {}
        self._busy: list[Ended] = []

    @property
    def free(self) -> int:
        """How many more processes may be started now."""
        return self.slots - len(self._children)

    @property
    def running(self) -> Sequence[Job]:
        """What is under way."""
        return [child.job for child in self._children.values()]

    def start(self, job: Job) -> None:
        """Starts a process."""
        slot = next(slot for slot in range(self.slots) if slot not in self._children)
        try:
            self._children[slot] = Child(job, self._environment_of(slot))
        except Busy as error:
            self._busy.append(Ended(job, BUSY, str(error), 0.0))

    def poll(self) -> list[Ended]:
        """What has ended since the last call."""
        ended, self._busy = self._busy, []
        for slot, child in list(self._children.items()):
            if (end := child.poll()) is not None:
                del self._children[slot]
                ended.append(end)
        return ended

    def stop(self) -> None:
        """Interrupts all processes, and kills those that do not leave within 20 s."""
        deadline = time.monotonic() + INTERRUPT_PATIENCE_SECONDS
        for child in self._children.values():
            child.interrupt()
        for child in self._children.values():
            child.wait(deadline - time.monotonic())
        self._children.clear()

    def _environment_of(self, slot: int) -> Mapping[str, str] | None:
        if self._gpus is None:
            return self._environment
        own = range(slot * self._gpus, (slot + 1) * self._gpus)
        visible = (self._environment or {}).get("CUDA_VISIBLE_DEVICES")
        names = visible.split(",") if visible else None
        chosen = [names[i] if names else str(i) for i in own]
        return {**(self._environment or {}), "CUDA_VISIBLE_DEVICES": ",".join(chosen)}
