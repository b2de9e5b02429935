"""Batches of a split: planned from positions, built ahead of use, resumed by one integer.

    plan    `position -> (position behind the batch, request), ...`, a batch at a time
    build   `request -> arrays`, a pure function that may read files

A plan says by arithmetic what a batch holds, so a stream goes on from any position without building
what lies before. `example_plan` is the plan of batches with a fixed number of examples; `packing`
has the one of items packed into fixed room.
"""

import collections
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from algoperf_jax.data.order import Order

Plan = Callable[[int], Iterator[tuple[int, Any]]]
Build = Callable[[Any], Any]


class Examples(NamedTuple):
    """The examples of one global batch.

    Attributes:
      start: position of the first one in the stream.
      ids: int64, which examples; the batch size of them, or fewer at the end of a finite stream.
    """

    start: int
    ids: np.ndarray


def example_plan(order: Order, batch_size: int) -> Plan:
    """The plan of batches of `batch_size` consecutive examples of an order; requests `Examples`.

    A finite order's last batch has what is left.
    """

    def plan(position: int) -> Iterator[tuple[int, Examples]]:
        while len(ids := order.between(position, position + batch_size)):
            yield position + len(ids), Examples(position, ids)
            position += len(ids)

    return plan


class TrainBatches:
    """Endless training batches, a function of the position alone.

    Batches are built ahead of use by threads that also work while the clock stands, by `ahead`
    batches; then they sleep. So `ahead` + 2 batches exist at a time: the one handed out last, the
    one asked for, and those behind it. An error of building is raised where its batch is asked for,
    and the next call tries that batch again.
    """

    def __init__(self, plan: Plan, build: Build, ahead: int = 0):
        """Makes the stream, at position 0.

        Args:
          plan: an endless plan.
          build: makes the host batch `[replicas of this process, ...]` of a request.
          ahead: batches built beyond the one asked for; 0: none, on the caller's thread.
        """
        self._plan = plan
        self._build = build
        self._ahead = ahead
        self._position = 0
        self._coming: Iterator[tuple[int, Any]] | None = None

    def __iter__(self) -> "TrainBatches":
        return self

    def __next__(self) -> Any:
        if self._coming is None:
            self._coming = built_ahead(self._built, self._plan(self._position), self._ahead)
        try:
            self._position, batch = next(self._coming)
        except BaseException:
            self._coming = None
            raise
        return batch

    def get_state(self) -> dict[str, int]:
        """The position behind the last batch handed out."""
        return {"position": self._position}

    def set_state(self, state: Mapping[str, int]) -> None:
        """Goes to a position that `get_state` returned; drops the batches built ahead."""
        self._position = int(state["position"])
        self._coming = None

    def _built(self, planned: tuple[int, Any]) -> tuple[int, Any]:
        after, request = planned
        return after, self._build(request)


def one_pass(plan: Plan, build: Build, ahead: int = 0) -> Iterator[Any]:
    """The batches of a finite plan, from its beginning to its end."""
    return built_ahead(build, (request for _, request in plan(0)), ahead)


def built_ahead(build: Build, requests: Iterable[Any], ahead: int) -> Iterator[Any]:
    """Yields `build(request)` for each request, in order, while threads build the next ones.

    Args:
      build: called by one of `ahead + 1` threads, or by the caller's where `ahead` is 0.
      requests: may be endless; drawn by the caller's thread.
      ahead: results built beyond the one asked for.
    """
    if not ahead:
        yield from map(build, requests)
        return
    coming: collections.deque[Future[Any]] = collections.deque()
    try:
        for request in requests:
            coming.append(_threads(ahead + 1).submit(build, request))
            if len(coming) > ahead:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        for future in coming:
            future.cancel()


@functools.cache
def _threads(count: int) -> ThreadPoolExecutor:
    """Threads that all streams of the process share."""
    return ThreadPoolExecutor(count, "building batches")
