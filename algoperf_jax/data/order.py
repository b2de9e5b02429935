"""Which training example comes at which position of an endless stream.

An order answers `between(start, stop)` for any positions, so a stream goes on from one integer.
Everything follows by arithmetic from a seed and the position: random words come from a counter
(Philox, Salmon et al. 2011), never from a generator's hidden state.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from algoperf_jax.data.ragged import ranges

CYCLE_LENGTH = 16
BLOCK_LENGTH = 16
"""How TensorFlow Datasets interleaves files: so many at a time, so many records from each."""


class Order(Protocol):
    """A stream of examples, endless or finite."""

    def between(self, start: int, stop: int) -> np.ndarray:
        """Returns the examples at positions `start` to `stop - 1`, int64 `[stop - start]`.

        A finite stream returns fewer behind its end.
        """
        ...


class OnePass:
    """Every one of some examples once, in the order given."""

    def __init__(self, examples: np.ndarray):
        """Makes the stream of `examples`, int64."""
        self._examples = examples

    def between(self, start: int, stop: int) -> np.ndarray:
        """Returns the examples at positions `start` to `stop - 1`, as far as there are any."""
        return self._examples[start:stop]


def random_words(seed: Sequence[int], start: int, stop: int) -> np.ndarray:
    """Returns the words at positions `start` to `stop - 1` of an endless random sequence.

    Args:
      seed: integers below 2**32 that are not negative; lists that differ by more than zeros at
        their ends have sequences of their own.
      start, stop: positions, from 0 on.

    Returns:
      uint64 `[stop - start]`, uniform; the same for all releases of NumPy.
    """
    key = np.random.SeedSequence(list(seed)).generate_state(2, np.uint64)
    first = start // 4  # the counter steps by four words
    words = np.random.Philox(key=key, counter=first).random_raw(4 * (-(-stop // 4) - first))
    return words[start - 4 * first : stop - 4 * first]


def permutation(seed: Sequence[int], size: int) -> np.ndarray:
    """Returns a uniformly drawn permutation of `range(size)`, int64."""
    return np.argsort(random_words(seed, 0, size), kind="stable")


def interleaved(
    lengths: Sequence[int], cycle_length: int = CYCLE_LENGTH, block_length: int = BLOCK_LENGTH
) -> np.ndarray:
    """Returns records in the order in which `tf.data`'s interleave reads files.

    The first `cycle_length` files take turns, and give `block_length` records at each turn. A file
    that cannot fill its turn gives what it has left; the next file has its place from the next
    round on. A file whose last record ended a turn loses one more turn before it is replaced.

    Args:
      lengths: records in each file, in the order of the files.
      cycle_length: files that are open at a time.
      block_length: records at one turn.

    Returns:
      int64 `[sum(lengths)]`, indices of records counted through all files.
    """
    ends = np.cumsum(np.asarray(lengths, np.int64)).tolist()
    files = iter([(end - length, end) for length, end in zip(lengths, ends, strict=True)])
    places = [next(files, None) for _ in range(cycle_length)]
    starts, counts = [], []
    while any(place is not None for place in places):
        for i, place in enumerate(places):
            if place is None:
                continue
            start, end = place
            count = min(block_length, end - start)
            starts.append(start)
            counts.append(count)
            places[i] = (start + count, end) if count == block_length else next(files, None)
    return ranges(np.array(starts, np.int64), np.array(counts, np.int64))


class ShuffleBuffer:
    """The law of `tf.data`'s repeat followed by shuffle, on positions alone.

    The source repeats for ever. A buffer holds its first `size` elements; each output is that of a
    uniformly drawn slot, which the source's next element replaces. So the element at position t is
    the one that came into the slot when it was drawn last before t, and only the draws need to be
    known. To begin at any position, they are walked back until every slot was drawn.
    """

    def __init__(self, source: np.ndarray, size: int, seed: Sequence[int]):
        """Makes the stream.

        Args:
          source: int64 `[examples]`, one epoch in reading order.
          size: slots of the buffer; may be more than the examples.
          seed: integers that are not negative.
        """
        self._source = source
        self._size = size
        self._seed = seed
        self._next = 0
        self._last = np.full(size, -1, np.int64)  # where each slot was drawn last before _next

    def between(self, start: int, stop: int) -> np.ndarray:
        """Returns the examples at positions `start` to `stop - 1`, int64 `[stop - start]`."""
        if start != self._next:
            self._last = self._last_drawn(start)
        slots = self._slots(start, stop)
        # In a stable sort by slot, the draws of one slot are neighbours in their order of time.
        by_slot = np.argsort(slots, kind="stable")
        same = slots[by_slot[1:]] == slots[by_slot[:-1]]
        before = self._last[slots]
        before[by_slot[1:][same]] = start + by_slot[:-1][same]
        latest = by_slot[np.append(~same, True)[: len(slots)]]
        self._last[slots[latest]] = start + latest
        self._next = stop
        elements = np.where(before < 0, slots, before + self._size)
        return self._source[elements % len(self._source)]

    def held(self, position: int) -> np.ndarray:
        """Returns what the slots hold before the draw at a position, int64 `[size]`."""
        last = self._last if position == self._next else self._last_drawn(position)
        elements = np.where(last < 0, np.arange(self._size), last + self._size)
        return self._source[elements % len(self._source)]

    def _slots(self, start: int, stop: int) -> np.ndarray:
        """The slots drawn at these positions; not uniform by at most `size / 2**32`."""
        words = random_words(self._seed, start, stop) >> np.uint64(32)
        return (words * np.uint64(self._size) >> np.uint64(32)).astype(np.int64)

    def _last_drawn(self, position: int) -> np.ndarray:
        last = np.full(self._size, -1, np.int64)
        while position > 0 and last.min() < 0:
            start = max(0, position - 4 * self._size)
            slots, age = np.unique(self._slots(start, position)[::-1], return_index=True)
            unseen = last[slots] < 0
            last[slots[unseen]] = position - 1 - age[unseen]
            position = start
        return last


class _Epochs:
    """Endless epochs of every example once, each in an order of its own."""

    def __init__(self, examples: int):
        self._examples = examples
        self._orders: dict[int, Any] = {}  # of the epochs that the last call needed

    def between(self, start: int, stop: int) -> np.ndarray:
        """Returns the examples at positions `start` to `stop - 1`, int64 `[stop - start]`."""
        epochs = range(start // self._examples, -(-stop // self._examples))
        self._orders = {
            epoch: self._orders[epoch] if epoch in self._orders else self._order(epoch)
            for epoch in epochs
        }
        parts = [np.empty(0, np.int64)]
        for epoch, order in self._orders.items():
            begin = epoch * self._examples
            parts.append(order.between(max(start - begin, 0), min(stop - begin, self._examples)))
        return np.concatenate(parts)

    def _order(self, epoch: int) -> Order:
        """One epoch's order, of exactly `examples` examples."""
        raise NotImplementedError


class EpochPermutations(_Epochs):
    """Every example once per epoch, or some of them, in a uniformly drawn order of its own."""

    def __init__(self, examples: int, seed: Sequence[int], used: int | None = None):
        """Makes the stream.

        Args:
          examples: how many there are.
          seed: integers that are not negative.
          used: how many of them each epoch has, the first ones of its order; None: all.
        """
        super().__init__(examples if used is None else used)
        self._of = examples
        self._seed = seed

    def _order(self, epoch: int) -> Order:
        return OnePass(permutation([*self._seed, epoch], self._of)[: self._examples])


class EpochShuffles(_Epochs):
    """The law of `tf.data`'s shuffle followed by repeat: each epoch goes through a buffer.

    Within an epoch, examples keep their places in the source but for about the buffer's size.
    """

    def __init__(self, source: np.ndarray, size: int, seed: Sequence[int]):
        """Makes the stream.

        Args:
          source: int64 `[examples]`, one epoch in reading order.
          size: slots of the buffer.
          seed: integers that are not negative.
        """
        super().__init__(len(source))
        self._source = source
        self._size = min(size, len(source))
        self._seed = seed

    def _order(self, epoch: int) -> Order:
        return _ShuffledOnce(self._source, self._size, [*self._seed, epoch])


class _ShuffledOnce:
    """One pass through a buffer: when the source has ended, the slots are emptied at random."""

    def __init__(self, source: np.ndarray, size: int, seed: Sequence[int]):
        self._refilled = len(source) - size  # so many draws are followed by a refill
        self._buffer = ShuffleBuffer(source, size, seed)
        self._emptied = permutation([*seed, 1], size)

    def between(self, start: int, stop: int) -> np.ndarray:
        """Returns the examples at positions `start` to `stop - 1`, int64 `[stop - start]`."""
        border = self._refilled
        parts = [np.empty(0, np.int64)]
        if start < border:
            parts.append(self._buffer.between(start, min(stop, border)))
        if stop > border:
            left = self._buffer.held(border)[self._emptied]
            parts.append(left[max(start - border, 0) : stop - border])
        return np.concatenate(parts)
