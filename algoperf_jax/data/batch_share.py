"""Which part of every global batch a process builds."""

import dataclasses
import functools
from typing import Any

import numpy as np

from algoperf_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class BatchShare:
    """A process's share of the global batches of a job.

    A global batch of B examples is divided into R equal parts, one for each replica in turn:
    replica k has the examples at positions `k B / R` to `(k + 1) B / R - 1` of the batch.

    Attributes:
      batch_size: B, examples that all replicas together take; a multiple of `replicas`.
      replicas: R, over all processes.
      local: the replicas whose parts this process builds, r of them.

    Raises:
      UserError: the replicas do not divide the batch size, or do not have the local ones.
    """

    batch_size: int
    replicas: int
    local: range

    def __post_init__(self) -> None:
        if self.replicas < 1 or self.batch_size < 1 or self.batch_size % self.replicas:
            raise UserError(
                f"batch size {self.batch_size} is not a positive multiple of the "
                f"{self.replicas} replicas"
            )
        if not self.local or not set(self.local) <= set(range(self.replicas)):
            raise UserError(
                f"local replicas {self.local} are not a part of range(0, {self.replicas})"
            )

    @classmethod
    def whole(cls, batch_size: int, replicas: int = 1) -> "BatchShare":
        """The share of a process that builds everything."""
        return cls(batch_size, replicas, range(replicas))

    @property
    def per_replica(self) -> int:
        """Examples of one replica, n."""
        return self.batch_size // self.replicas

    @property
    def shape(self) -> tuple[int, int]:
        """`(r, n)`: the leading axes of the arrays that this process builds."""
        return len(self.local), self.per_replica

    @functools.cached_property
    def positions(self) -> np.ndarray:
        """Where this process's examples are in the global batch, int64 `[r n]`, ascending."""
        return (
            np.array(self.local)[:, None] * self.per_replica + np.arange(self.per_replica)
        ).ravel()

    def mask(self, examples: int) -> np.ndarray:
        """The weights of a batch of which only the first `examples` are real.

        Args:
          examples: how many of the global batch's places are filled, from the first on.

        Returns:
          float32 `[r, n]`, 1 for an example and 0 for padding.
        """
        return (self.positions < examples).astype(np.float32).reshape(self.shape)

    def filled(self, examples: int) -> np.ndarray:
        """Those of `positions` that a batch fills of which the first `examples` are real."""
        return self.positions[self.positions < examples]

    def divided(self, arrays: Any) -> Any:
        """Arrays over this process's examples with the leading axis divided into replicas.

        Args:
          arrays: an array `[m, ...]` with m at most r n, or a dict of them; where there are fewer
            examples than places, zeros fill the last ones.

        Returns:
          `[r, n, ...]`, a view where nothing had to be filled.
        """
        if isinstance(arrays, dict):
            return {name: self.divided(array) for name, array in arrays.items()}
        places = len(self.positions)
        if len(arrays) < places:
            padding = np.zeros((places - len(arrays), *arrays.shape[1:]), arrays.dtype)
            arrays = np.concatenate([arrays, padding])
        return arrays.reshape(*self.shape, *arrays.shape[1:])
