"""The metric of the Criteo workload: the mean loss."""

# No `from __future__ import annotations` here: clu reads the metric classes from the annotations.

from collections.abc import Mapping

import flax
import jax
from clu import metrics as clu_metrics

from algoperf_jax.nn.metrics import ratio_of_sums
from workloads.criteo1tb.loss import loss


@flax.struct.dataclass
class ClickMetrics(clu_metrics.Collection):
    """Mean loss of a split.

    Each batch's sum is a float32, the sum over batches is not: the target is given to six digits
    and a split has 83 million examples.
    """

    loss: ratio_of_sums("summed", "n_valid")


def evaluate(logits: jax.Array, batch: Mapping[str, jax.Array]) -> ClickMetrics:
    """Builds the metrics of one replica's batch.

    Args:
      logits: float32 `[n]`.
      batch: see `loss`.
    """
    terms = loss(logits, batch)
    return ClickMetrics.single_from_model_output(summed=terms.summed, n_valid=terms.n_valid)
