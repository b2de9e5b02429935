"""The loss of the translation workload: softmax cross entropy of every target token."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from algoperf_jax.nn.token_losses import token_losses
from algoperf_jax.workload import LossTerms
from workloads.wmt.model import Outputs, logits


def loss(
    outputs: Outputs,
    batch: Mapping[str, jax.Array],
    *,
    label_smoothing: float | jax.Array = 0.0,
) -> LossTerms:
    """Computes the cross entropies of target tokens, with padding masked out.

    Args:
      outputs: the model's.
      batch: `targets` int `[N, T]`; `weights` `[N, T]`, 0 where a token does not count. Without
        `weights` every token counts.
      label_smoothing: scalar in [0, 1], may be traced; see `token_losses`.

    Returns:
      `LossTerms` over target tokens: `n_valid` counts tokens and not sentences, `per_example` is
      float32 `[N, T]`.

    Raises:
      ValueError: the shapes do not fit together.
    """
    targets = batch["targets"]
    weights = batch.get("weights", jnp.ones_like(targets)).astype(jnp.float32)
    return token_losses(logits, outputs.hidden, outputs.table, targets, weights, label_smoothing)
