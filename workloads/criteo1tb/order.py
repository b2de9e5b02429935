"""Which lines come at which position of a stream: shard after shard, line after line."""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from algoperf_jax.data.order import permutation
from workloads.criteo1tb.files import Shard


class Request(NamedTuple):
    """The lines of one global batch.

    Attributes:
      count: how many there are; the batch size, or fewer at the end of a finite stream.
      parts: consecutive lines of a day each, in the batch's order.
    """

    count: int
    parts: list[Shard]


class ShardOrder:
    """Lines of shards in a fixed order."""

    def __init__(self, shards: Sequence[Shard]):
        """Makes the order: the shards one after the other, each from its first line to its last."""
        self._shards = shards
        self._ends = list(itertools.accumulate(shard.stop - shard.start for shard in shards))

    def __len__(self) -> int:
        return self._ends[-1]

    def between(self, start: int, stop: int) -> list[Shard]:
        """The lines at positions `start` to `stop - 1`, as far as there are any."""
        parts = []
        i = bisect.bisect_right(self._ends, start)
        while start < min(stop, len(self)):
            day, _, end = self._shards[i]
            first = end - (self._ends[i] - start)
            last = min(end, first + stop - start)
            parts.append(Shard(day, first, last))
            start += last - first
            i += 1
        return parts


class Epochs:
    """Endless epochs, each with the shards in an order of its own, and lines in theirs.

    Only shards are shuffled, as in the benchmark, so a batch has consecutive lines.
    """

    def __init__(self, shards: Sequence[Shard], seed: int, batch_size: int):
        """Makes the stream.

        Args:
          shards: all there are.
          seed: not negative.
          batch_size: what does not fill a batch at an epoch's end is left out.
        """
        self._shards, self._seed, self._batch_size = shards, seed, batch_size
        lines = sum(shard.stop - shard.start for shard in shards)
        self._used = lines // batch_size * batch_size

    def plan(self, position: int) -> Iterator[tuple[int, Request]]:
        """The plan of training batches, see `data/batches.py`."""
        while True:
            epoch, within = divmod(position, self._used)
            order = ShardOrder(shuffled(self._shards, self._seed, epoch))
            while within < self._used:
                parts = order.between(within, within + self._batch_size)
                within += self._batch_size
                position += self._batch_size
                yield position, Request(self._batch_size, parts)


def shuffled(shards: Sequence[Shard], seed: int, epoch: int) -> list[Shard]:
    """The shards of an epoch in their order."""
    return [shards[i] for i in permutation([seed, epoch], len(shards))]


def one_pass(order: ShardOrder, batch_size: int, examples: int) -> Iterator[tuple[int, Request]]:
    """The plan of batches of an order's first `examples` lines, once; the last may be smaller."""
    for start in range(0, examples, batch_size):
        stop = min(start + batch_size, examples)
        yield stop, Request(stop - start, order.between(start, stop))


def own_part(parts: Sequence[Shard], start: int, stop: int) -> list[Shard]:
    """Of a batch's lines those at its places `start` to `stop - 1`, as far as there are any."""
    own, place = [], 0
    for day, first, last in parts:
        begin, end = max(first, first + start - place), min(last, first + stop - place)
        if begin < end:
            own.append(Shard(day, begin, end))
        place += last - first
    return own
