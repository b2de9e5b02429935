"""The contract of data selection: which batch a step is given, and what is kept for later ones."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from algoperf_jax.workload import Batch

Carry = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Moment:
    """When a batch is selected.

    Attributes:
      step: completed steps.
      elapsed_fraction: submission time so far over the budget.
    """

    step: int
    elapsed_fraction: float


class SelectFn(Protocol):
    """`select(batches, carry, moment) -> (batch, carry)`: the batch of the next step.

    It may decide by its arguments alone, because a trial that is broken off goes on in another
    process. What a closure remembers is lost there, and the data with it; what is to be remembered
    belongs into the carry. A resumed trial calls it once more than an unbroken one, to compile
    before its clock starts, and then goes back to where it stood.

    Args:
      batches: an iterator of training batches on the devices, trees of arrays
        `[devices, lanes, ...]`. A checkpoint keeps the position behind the last one drawn.
      carry: what the hook returned last; None before the first step.
      moment: completed steps, and submission time over the budget.

    Returns:
      A batch, and the next carry: None, or a dict (of dicts, keys are texts) that holds numbers,
      NumPy arrays, JAX arrays, and whole batches as `batches` gave them. A checkpoint keeps it.
      After a resume, numbers and NumPy arrays are NumPy arrays, and batches lie on the devices as
      before, whose number may be another then: a checkpoint keeps arrays that lie as batches do
      by replica, `[replicas, ...]`. In a job of several processes everything else has to be equal
      on all of them.
    """

    def __call__(
        self, batches: Iterator[Batch], carry: Carry | None, moment: Moment
    ) -> tuple[Batch, Carry | None]: ...


def next_batch(
    batches: Iterator[Batch], carry: Carry | None, moment: Moment
) -> tuple[Batch, Carry | None]:
    """The default: every batch once, in the order in which they come."""
    return next(batches), carry
