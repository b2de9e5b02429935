"""Batches kept in memory between evaluations, up to a bound."""

import collections
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import jax

Batch = Any  # a tree of numpy arrays


class BatchCache:
    """Keeps whole passes over splits while they fit; the one used longest ago goes first."""

    def __init__(self, limit: int):
        """Makes an empty cache of at most `limit` bytes of arrays."""
        self._limit = limit
        self._kept: collections.OrderedDict[Hashable, tuple[int, list[Batch]]] = (
            collections.OrderedDict()
        )

    @property
    def size(self) -> int:
        """Bytes of all passes kept."""
        return sum(size for size, _ in self._kept.values())

    def one_pass(
        self, key: Hashable, size: int, make: Callable[[], Iterator[Batch]]
    ) -> Iterator[Batch]:
        """Yields a pass's batches, from memory where it was kept.

        A pass that is larger than the bound, or that is not followed to its end, is not kept.

        Args:
          key: what the batches depend on.
          size: bytes of all arrays of the pass.
          make: makes the batches, trees of numpy arrays, which become read-only when they are kept.
        """
        if key in self._kept:
            self._kept.move_to_end(key)
            yield from self._kept[key][1]
            return
        if size > self._limit:
            yield from make()
            return
        batches = []
        for batch in make():
            jax.tree.map(_freeze, batch)
            batches.append(batch)
            yield batch
        while self._kept and self.size + size > self._limit:
            self._kept.popitem(last=False)
        self._kept[key] = (size, batches)


def _freeze(array: Any) -> None:
    array.setflags(write=False)
