"""The metrics of the fastMRI workload: mean loss and mean structural similarity of slices."""

# No `from __future__ import annotations` here: clu reads the metric classes from the annotations.

from collections.abc import Mapping

import flax
import jax
from clu import metrics as clu_metrics

from algoperf_jax.nn.loss_terms import loss_terms
from algoperf_jax.nn.metrics import ratio_of_sums
from workloads.fastmri.loss import loss
from workloads.fastmri.ssim import ssim


@flax.struct.dataclass
class ScanMetrics(clu_metrics.Collection):
    """Means over the slices of a split."""

    loss: ratio_of_sums("summed_loss", "n_valid")
    ssim: ratio_of_sums("summed_ssim", "n_valid")


def evaluate(outputs: jax.Array, batch: Mapping[str, jax.Array]) -> ScanMetrics:
    """Builds the metrics of one replica's batch.

    Images are compared as they were before they were normalised; targets stay clipped.

    Args:
      outputs: float32 `[n, size, size]`.
      batch: see `dataset`.
    """
    mean, std = batch["mean"][:, None, None], batch["std"][:, None, None]
    similarities = ssim(outputs * std + mean, batch["targets"] * std + mean, batch["volume_max"])
    terms = loss(outputs, batch)
    return ScanMetrics.single_from_model_output(
        summed_loss=terms.summed,
        summed_ssim=loss_terms(similarities, batch["weights"]).summed,
        n_valid=terms.n_valid,
    )
