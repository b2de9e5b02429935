"""Batch sizes that differ from the workloads' own."""

from collections.abc import Callable


def deviating(**sizes: int) -> Callable[[str], int | None]:
    """A submission's `batch_size` that knows these workloads only.

    Args:
      sizes: global batch size by name of the workload.

    Returns:
      A function of the workload's name; None for any other name, which leaves the choice to the
      workload.
    """

    return sizes.get
