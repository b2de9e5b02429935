"""Host batches on their way to the devices, one ahead of use."""

from collections.abc import Iterator
from typing import Any

from algoperf_jax import contracts
from algoperf_jax.trial import replicas
from algoperf_jax.trial.machine import machine_work
from algoperf_jax.workload import Batch, BatchIterator


class DeviceStream:
    """An iterator of device batches that fetches and transfers one batch ahead.

    The next batch is built on the host and its transfer started while the device still works on
    the last one, on the caller's own thread: of this stream's work nothing runs on while the clock
    stands. (A data set's own threads may build ahead, up to the bound that it states.)
    """

    def __init__(self, batches: BatchIterator | Iterator[Batch], layout: replicas.Replicas):
        self._batches = batches
        self._layout = layout
        self._ahead: tuple[Batch, Any] | None = None
        self._checked = False
        self.state: dict[str, Any] | None = _state(batches)
        """Position behind the last batch handed out, for a checkpoint."""

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        self.prefetch()
        if self._ahead is None:
            raise StopIteration
        (batch, self.state), self._ahead = self._ahead, None
        return batch

    def prefetch(self) -> None:
        """Fetches the next batch and starts its transfer, unless that has happened."""
        if self._ahead is not None:
            return
        with machine_work("read the data"):
            host = next(self._batches, None)
        if host is None:
            return
        if not self._checked:
            contracts.check_batch(host, len(self._layout.local), "a batch of the data set")
            self._checked = True
        self._ahead = self._layout.put_batch(host), _state(self._batches)

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on behind the batch after which `state` was read."""
        self._ahead = None
        self._batches.set_state(state)  # type: ignore[union-attr]
        self.state = state


def _state(batches: Any) -> dict[str, Any] | None:
    return batches.get_state() if hasattr(batches, "get_state") else None
