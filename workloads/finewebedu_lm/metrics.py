"""The metrics of the language model: mean loss and perplexity of a split."""

# No `from __future__ import annotations` here: clu reads the metric classes from the annotations.

import math
from collections.abc import Mapping
from typing import Any

import flax
import jax
import jax.numpy as jnp
from clu import metrics as clu_metrics

from algoperf_jax.nn.metrics import ratio_of_sums
from workloads.finewebedu_lm.loss import loss, published_losses
from workloads.finewebedu_lm.model import Outputs


@flax.struct.dataclass
class TokenMetrics(clu_metrics.Collection):
    """Mean losses over the tokens of a split: as published, and computed in float32."""

    loss: ratio_of_sums("published", "n_valid")
    loss_float32: ratio_of_sums("float32", "n_valid")


def evaluate(outputs: Outputs, batch: Mapping[str, jax.Array]) -> TokenMetrics:
    """Builds the metrics of one replica's batch.

    Args:
      outputs: the model's.
      batch: see `loss`.
    """
    clean = loss(outputs, batch)
    if outputs.hidden.dtype == jnp.float32:  # where both are the same
        published = clean.summed
    else:
        single = published_losses(outputs, batch["targets"]).astype(jnp.float32)
        published = jnp.where(batch["weights"] != 0, batch["weights"] * single, 0.0).sum()
    return TokenMetrics.single_from_model_output(
        published=published, float32=clean.summed, n_valid=clean.n_valid
    )


def compute_metrics(merged: TokenMetrics, data: Any) -> dict[str, float]:
    """Losses and their exponentials; a perplexity beyond float64 is infinite."""
    del data
    losses = {name: float(value) for name, value in merged.compute().items()}
    return {
        **losses,
        "ppl": _perplexity(losses["loss"]),
        "ppl_float32": _perplexity(losses["loss_float32"]),
    }


def _perplexity(loss: float) -> float:
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf
