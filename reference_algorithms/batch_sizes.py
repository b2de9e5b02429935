"""Batch sizes that differ from the workloads' own."""

from collections.abc import Callable


def deviating(**sizes: int) -> Callable[[str], int]:
    """A submission's `batch_size` that knows these workloads only.

    Args:
      sizes: global batch size by name of the workload.

    Returns:
      A function of the workload's name; ValueError for any other name, which leaves the choice to
      the workload.
    """

    def batch_size(workload_name: str) -> int:
        if workload_name not in sizes:
            raise ValueError(f"no batch size of its own for workload {workload_name!r}")
        return sizes[workload_name]

    return batch_size
