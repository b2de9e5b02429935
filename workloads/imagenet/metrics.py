"""Metrics of the ImageNet workloads: accuracy and loss, as running sums on the device."""

# No `from __future__ import annotations` here: clu reads the metric classes from the annotations.

from collections.abc import Mapping

import flax
import jax
import jax.numpy as jnp
from clu import metrics as clu_metrics

from algoperf_jax.nn.metrics import floats, masked_mean
from workloads.imagenet import inputs
from workloads.imagenet.loss import loss


@flax.struct.dataclass
class ImagenetMetrics(clu_metrics.Collection):
    """Accuracy and mean loss over the examples of a split."""

    accuracy: masked_mean("is_correct", "is_example")
    loss: masked_mean("loss", "is_example")

    def compute(self) -> dict[str, float]:
        """Returns `accuracy`, the share of examples in [0, 1], and `loss`."""
        return floats(super().compute())


def evaluate(logits: jax.Array, batch: Mapping[str, jax.Array]) -> ImagenetMetrics:
    """Builds the metrics of one replica's batch; works inside `jit`, `pmap`, `vmap` and `scan`.

    The predicted class is that of the largest logit, the first one among equals. Collections of
    several replicas may be stacked along a leading axis and joined by `reduce()`; batches are
    joined by `merge()`. Both add up sums and counts, so that a mean is over examples.

    Args:
      logits: float32 `[N, K]`.
      batch: `targets` int32 `[N]`, class ids; `weights` `[N]`, 0 for padding and 1 elsewhere, all
        ones where absent.

    Returns:
      The collection with this batch in it.
    """
    return ImagenetMetrics.single_from_model_output(
        is_correct=(jnp.argmax(logits, axis=-1) == batch["targets"]).astype(jnp.float32),
        is_example=inputs.weights(batch) != 0,
        loss=loss(logits, batch).per_example,
    )
