"""The loss of a batch from its single losses."""

import jax
import jax.numpy as jnp

from algoperf_jax.workload import LossTerms


def loss_terms(losses: jax.Array, weights: jax.Array) -> LossTerms:
    """The weighted sum of losses, and the sum of the weights.

    Args:
      losses: float32 of any shape; anything, NaN included, where the weight is 0.
      weights: of the same shape, 0 for what does not count and 1 for what does.

    Returns:
      `LossTerms`, `per_example` of the same shape.
    """
    weights = jnp.asarray(weights, jnp.float32)
    # A weight of 0 times NaN would be NaN.
    weighted = jnp.where(weights != 0, weights * losses, 0.0)
    return LossTerms(summed=weighted.sum(), n_valid=weights.sum(), per_example=weighted)
