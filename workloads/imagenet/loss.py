"""The loss of the ImageNet workloads: softmax cross entropy with classes or distributions."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from algoperf_jax.nn.loss_terms import loss_terms
from algoperf_jax.workload import LossTerms
from workloads.imagenet import inputs


def loss(
    logits: jax.Array,
    batch: Mapping[str, jax.Array],
    *,
    label_smoothing: float | jax.Array = 0.0,
) -> LossTerms:
    """Computes the cross entropy of each example, with padding masked out.

    Label smoothing `a` replaces a distribution y over K classes by `(1 - a) y + a / K`; it comes
    after mixup.

    Args:
      logits: float32 `[N, K]`.
      batch: `targets`, int32 `[N]` or float32 `[N, K]`, and what mixup needs; `weights` `[N]`, 1
        for an example and 0 for padding, all ones where absent. See `inputs`.
      label_smoothing: scalar in [0, 1], may be traced.

    Returns:
      `LossTerms` over the examples, `per_example` float32 `[N]`.

    Raises:
      ValueError: the shapes of logits, targets and weights do not go together.
    """
    num_classes = logits.shape[-1]
    y_NxK = inputs.targets(batch, num_classes)
    weights_N = inputs.weights(batch)
    if logits.shape != y_NxK.shape or weights_N.shape != logits.shape[:1]:
        raise ValueError(
            "logits, targets and weights must belong to the same examples, got shapes "
            f"{logits.shape}, {batch['targets'].shape} and {weights_N.shape}"
        )
    y_NxK = (1.0 - label_smoothing) * y_NxK + label_smoothing / num_classes
    return loss_terms(-jnp.sum(y_NxK * jax.nn.log_softmax(logits), axis=-1), weights_N)
