"""Items of different sizes packed into fixed room: the plan of batches with static shapes.

Consecutive items of a stream share a pack (a shard of a graph batch, a row of tokens) until the
next one would exceed its room in any dimension (nodes, edges, items; source tokens, target tokens).
So where a pack ends depends on what is in it, and a batch's place in the stream on all batches
before; one position, the number of items so far, still says everything.
"""

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from algoperf_jax.data.batches import Plan
from algoperf_jax.data.order import Order

_ITEMS_AT_A_TIME = 4096
"""How many items of the order are looked at together; no influence on the packs."""


@dataclasses.dataclass(frozen=True)
class Packing:
    """How much room items need and a pack has.

    Attributes:
      sizes: int64 `[items, d]`, what each item of the data set takes, in d dimensions.
      room: what a pack has room for, in the same dimensions.
      group: a pack ends where the position is a multiple of this; None: nowhere.
    """

    sizes: np.ndarray
    room: Sequence[int]
    group: int | None = None

    def first_too_large(self) -> int | None:
        """The first item that exceeds the room all by itself; None when every item fits."""
        too_large = (self.sizes > np.asarray(self.room)).any(axis=1)
        return int(np.argmax(too_large)) if too_large.any() else None


class Packs(NamedTuple):
    """The packs of one global batch that a process builds.

    Attributes:
      start: position of the batch's first item in the stream.
      starts: position of each pack's first item.
      items: int64 arrays, the items of each pack; empty behind the end of a finite stream.
    """

    start: int
    starts: tuple[int, ...]
    items: tuple[np.ndarray, ...]


def packed_plan(order: Order, packing: Packing, packs: int, built: Collection[int]) -> Plan:
    """The plan of batches of `packs` consecutive packs; requests `Packs`.

    A finite order's last batch is completed with empty packs.

    Args:
      order: of the items.
      packing: every item has to fit, see `Packing.first_too_large`.
      packs: packs of a global batch.
      built: numbers of those that this process builds, from 0 to `packs - 1`.
    """

    def plan(position: int) -> Iterator[tuple[int, Packs]]:
        stream = _Stream(order, packing, position)
        while True:
            start, starts, items = position, [], []
            for pack in range(packs):
                end = stream.pack_end(position)
                if pack in built:
                    starts.append(position)
                    items.append(stream.items(position, end))
                position = end
            if position == start:
                return
            yield position, Packs(start, tuple(starts), tuple(items))

    return plan


class _Stream:
    """The items of an order from some position on, with the room they take together."""

    def __init__(self, order: Order, packing: Packing, position: int):
        self._order = order
        self._packing = packing
        self._first = position
        self._items = np.empty(0, np.int64)
        self._taken = np.zeros((1, packing.sizes.shape[1]), np.int64)
        self._finished = False

    def pack_end(self, start: int) -> int:
        """Where the pack that begins at position `start` ends (exclusive)."""
        while True:
            begin = start - self._first
            known = len(self._items)
            limits = [known]
            if self._packing.group is not None:
                limits.append(begin + self._packing.group - start % self._packing.group)
            for taken, room in zip(self._taken.T, self._packing.room, strict=True):
                limit = int(taken[begin]) + room
                limits.append(begin + int(np.searchsorted(taken[begin + 1 :], limit, "right")))
            if min(limits) < known or self._finished:
                return self._first + min(limits)
            self._extend(begin)

    def items(self, start: int, stop: int) -> np.ndarray:
        """The items at positions `start` to `stop - 1`."""
        return self._items[start - self._first : stop - self._first]

    def _extend(self, begin: int) -> None:
        """Looks at more items; forgets those before index `begin`, which nobody asks for again."""
        behind = self._first + len(self._items)
        more = self._order.between(behind, behind + _ITEMS_AT_A_TIME)
        self._finished = not len(more)
        self._items = np.concatenate([self._items[begin:], more])
        self._first += begin
        taken = np.cumsum(self._packing.sizes[self._items], axis=0, dtype=np.int64)
        self._taken = np.concatenate([np.zeros((1, taken.shape[1]), np.int64), taken])
