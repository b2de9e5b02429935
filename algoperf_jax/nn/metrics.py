"""Pieces of metric collections: means, ratios, and rows collected for metrics on the host."""

# No `from __future__ import annotations` here: clu reads the metric classes from the annotations.

from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
from clu import metrics as clu_metrics


def masked_mean(value: str, mask: str) -> type[clu_metrics.Metric]:
    """A mean of the output named `value` over the entries where the one named `mask` is not 0.

    Sums and counts add up over batches and replicas, so the mean is over entries.
    """
    return clu_metrics.Average.from_fun(
        lambda **outputs: {"values": outputs[value], "mask": outputs[mask]}
    )


def ratio_of_sums(numerator: str, denominator: str) -> type[clu_metrics.Metric]:
    """The sum of the output named `numerator` over that of the one named `denominator`.

    Both add up over batches and replicas, so the ratio is that of the whole split.
    """

    @flax.struct.dataclass
    class RatioOfSums(clu_metrics.Metric):
        above: jax.Array
        below: jax.Array

        @classmethod
        def empty(cls) -> "RatioOfSums":
            return cls(above=jnp.zeros(()), below=jnp.zeros(()))

        @classmethod
        def from_model_output(cls, **outputs: Any) -> "RatioOfSums":
            return cls(above=outputs[numerator].sum(), below=outputs[denominator].sum())

        def merge(self, other: "RatioOfSums") -> "RatioOfSums":
            return type(self)(above=self.above + other.above, below=self.below + other.below)

        def reduce(self) -> "RatioOfSums":
            return type(self)(above=self.above.sum(), below=self.below.sum())

        def compute(self) -> jax.Array:
            return self.above / self.below

    return RatioOfSums


@flax.struct.dataclass
class CollectedRows(clu_metrics.CollectingMetric):
    """Keeps arrays over the rows of a whole split, for metrics that do not add up.

    `values` maps a name to a tuple of arrays `[rows, ...]`, one per merged batch; rows of padding
    stay among them.
    """

    def reduce(self) -> "CollectedRows":
        """Joins a leading axis of replicas with the rows, on whichever side the arrays live."""
        return type(self)(values=jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), self.values))

    def rows(self) -> dict[str, np.ndarray]:
        """All rows by name, on the host; empty where nothing was collected."""
        return {name: np.concatenate(arrays) for name, arrays in self.values.items()}


@flax.struct.dataclass
class CollectedTexts(CollectedRows):
    """Keeps the texts that a model made in a split and those that they should be.

    `values` maps a name to a tuple of arrays, one per merged batch: `hypotheses` and `references`
    int `[rows, pieces]`, 0 behind the end; rows of zeros as references are padding.
    """

    @classmethod
    def from_model_output(cls, **outputs: Any) -> "CollectedTexts":
        """Takes `hypotheses` and `references`."""
        return cls(values={name: (outputs[name],) for name in ("hypotheses", "references")})


def floats(values: dict) -> dict[str, float]:
    """Computed metrics as a flat dict of Python floats; a dict among them gives its own entries."""
    flat: dict[str, float] = {}
    for name, value in values.items():
        flat |= floats(value) if isinstance(value, dict) else {name: float(value)}
    return flat
