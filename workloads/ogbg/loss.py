"""The loss of the OGBG workload: sigmoid cross entropy over the labelled (graph, task) entries."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax

from algoperf_jax.nn.loss_terms import loss_terms
from algoperf_jax.workload import LossTerms


def loss(
    logits: jax.Array,
    batch: Mapping[str, jax.Array],
    *,
    label_smoothing: float | jax.Array = 0.0,
) -> LossTerms:
    """Computes binary cross entropies from logits, with missing labels masked out.

    Label smoothing `a` replaces a label y by `(1 - a) y + a / T` with the number of tasks T. This
    is the formula of a softmax over T classes, applied to T binary problems: it pulls labels
    towards 1/T and not towards 1/2. The benchmark's reference implementation (v0.6) does so, and
    tuned values of `a` mean this.

    Args:
      logits: float32 `[G, T]`.
      batch: `labels` `[G, T]` of 0 and 1, of any real dtype, anything where the weight is 0;
        `weights` `[G, T]`, 1 where a label exists and 0 elsewhere (padding graphs too). Without
        `weights` every entry counts.
      label_smoothing: scalar in [0, 1], may be traced.

    Returns:
      `LossTerms` over labelled entries: `n_valid` counts entries and not graphs, `per_example` is
      float32 `[G, T]`.

    Raises:
      ValueError: the shapes differ or are not of rank 2.
    """
    labels = jnp.asarray(batch["labels"], jnp.float32)
    weights = batch.get("weights")
    weights = jnp.ones_like(labels) if weights is None else jnp.asarray(weights, jnp.float32)
    if logits.ndim != 2 or not logits.shape == labels.shape == weights.shape:
        raise ValueError(
            "logits, labels and weights must have one common shape [graphs, tasks], got "
            f"{logits.shape}, {labels.shape} and {weights.shape}."
        )
    # A missing label may be NaN. A finite stand-in keeps NaN out of the gradient as well.
    labels = jnp.where(weights != 0, labels, 0.0)
    labels = (1.0 - label_smoothing) * labels + label_smoothing / logits.shape[-1]
    return loss_terms(optax.sigmoid_binary_cross_entropy(logits, labels), weights)
