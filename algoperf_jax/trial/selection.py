"""The submission's `select` at work: what it draws from, and what it carries."""

from collections.abc import Iterator
from typing import Any

import jax

from algoperf_jax import contracts
from algoperf_jax.own_code import in_hook
from algoperf_jax.selection import Carry, Moment, SelectFn
from algoperf_jax.trial.carry import KeptCarry, check_carry, kept_carry, restored_carry
from algoperf_jax.trial.replicas import Replicas
from algoperf_jax.trial.stream import DeviceStream
from algoperf_jax.workload import Batch


class Selection:
    """Selects the batch of each step.

    Args:
      select: the submission's hook.
      stream: the training batches; nothing but its batches reaches the hook.
      layout: how they lie on the devices.
    """

    def __init__(self, select: SelectFn, stream: DeviceStream, layout: Replicas):
        self._select = select
        self._stream = stream
        self._layout = layout
        self._batches = self._drawn()
        self._batch_structure: Any = None
        self._carry: Carry | None = None

    def batch(self, moment: Moment) -> Batch:
        """The batch of the next step.

        Raises:
          UserError: the hook returned something else than a batch and a carry.
        """
        with in_hook("select"):
            returned = self._select(self._batches, self._carry, moment)
        batch, carry = contracts.pair(returned, "select", "(batch, carry)")
        check_carry(carry, self._layout, self._batch_structure)
        self._carry = carry
        return batch

    def prefetch(self) -> None:
        """Starts the transfer of the batch that is drawn next."""
        self._stream.prefetch()

    @property
    def position(self) -> dict[str, Any] | None:
        """The position in the data behind the last batch drawn."""
        return self._stream.state

    def kept(self) -> KeptCarry:
        """What it carries, for a checkpoint."""
        return kept_carry(self._carry, self._layout, self._batch_structure)

    def restore(self, position: dict[str, Any], kept: KeptCarry) -> None:
        """Goes on from where a checkpoint says that it stood."""
        if self._batch_structure is None and kept.form["carry"] is not None:
            next(self._batches)  # a batch among what was carried takes its structure from this one
        self._carry = restored_carry(kept, self._layout, self._batch_structure)
        self._stream.restore(position)
        self._batches = self._drawn()

    def _drawn(self) -> Iterator[Batch]:
        for batch in self._stream:
            if self._batch_structure is None:
                self._batch_structure = jax.tree.structure(batch)
            yield batch
