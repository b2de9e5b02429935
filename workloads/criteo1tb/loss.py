"""The loss of the Criteo workload: sigmoid cross entropy of clicks."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax

from algoperf_jax.nn.loss_terms import loss_terms
from algoperf_jax.workload import LossTerms


def loss(
    logits: jax.Array, batch: Mapping[str, jax.Array], *, label_smoothing: float | jax.Array = 0.0
) -> LossTerms:
    """Computes binary cross entropies from logits.

    Args:
      logits: float32 `[n]`.
      batch: `labels` `[n]` of 0 and 1, of any real dtype; `weights` `[n]`, 0 where a place is not
        filled. Without `weights` every example counts.
      label_smoothing: has no bearing, as in the benchmark.

    Returns:
      `LossTerms` over the examples.

    Raises:
      ValueError: the shapes differ or are not of rank 1.
    """
    del label_smoothing
    labels = jnp.asarray(batch["labels"], jnp.float32)
    weights = batch.get("weights")
    weights = jnp.ones_like(labels) if weights is None else jnp.asarray(weights, jnp.float32)
    if logits.ndim != 1 or not logits.shape == labels.shape == weights.shape:
        raise ValueError(
            "logits, labels and weights must have one common shape [examples], got "
            f"{logits.shape}, {labels.shape} and {weights.shape}."
        )
    return loss_terms(optax.sigmoid_binary_cross_entropy(logits, labels), weights)
