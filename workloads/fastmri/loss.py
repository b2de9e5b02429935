"""The loss of the fastMRI workload: the mean absolute error of an image."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from algoperf_jax.nn.loss_terms import loss_terms
from algoperf_jax.workload import LossTerms


def loss(
    outputs: jax.Array, batch: Mapping[str, jax.Array], *, label_smoothing: float | jax.Array = 0.0
) -> LossTerms:
    """Computes mean absolute errors, in the units of normalised images.

    Args:
      outputs: float32 `[n, size, size]`.
      batch: `targets` of the same shape; `weights` `[n]`, 0 where a place is not filled. Without
        `weights` every image counts.
      label_smoothing: has no bearing, as in the benchmark.

    Returns:
      `LossTerms` over the images.

    Raises:
      ValueError: the shapes differ.
    """
    del label_smoothing
    targets, weights = batch["targets"], batch.get("weights")
    if outputs.ndim != 3 or outputs.shape != targets.shape:
        raise ValueError(
            "outputs and targets must have one common shape [images, rows, columns], got "
            f"{outputs.shape} and {targets.shape}."
        )
    errors = jnp.abs(outputs - targets).mean(axis=(1, 2))
    return loss_terms(errors, jnp.ones_like(errors) if weights is None else weights)
