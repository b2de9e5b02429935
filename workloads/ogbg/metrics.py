"""Metrics of the OGBG workload: accuracy, loss and mean average precision.

Accuracy and loss are running sums on the device. Average precision needs all scores of a split at
once, so logits, labels and weights are collected on the host.
"""

# No `from __future__ import annotations` here: clu reads the metric classes from the annotations.

from collections.abc import Mapping
from typing import TypeVar

import flax
import jax
import jax.numpy as jnp
import numpy as np
from clu import metrics as clu_metrics

from algoperf_jax.nn.metrics import CollectedRows, floats, masked_mean
from workloads.ogbg.loss import loss

OgbgCollection = TypeVar("OgbgCollection", bound=clu_metrics.Collection)


def average_precision_per_task(
    logits: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Computes the average precision of each task over its labelled rows.

    AP is the sum over distinct score thresholds, in decreasing order, of precision times the gain
    in recall; equal scores form one threshold and nothing is interpolated. Scores are
    `sigmoid(logits)` in float32, so logits that saturate to one float tie. A task is used when its
    column of labels, *missing ones counted as 0*, holds a 0 and a 1. A task whose labelled entries
    are all 1 thus gets AP 1 as soon as any row of it is missing or padding. This is the rule of the
    benchmark's reference implementation (v0.6); the official OGB evaluator skips such a task.

    Args:
      logits: float32 `[rows, T]`.
      labels: `[rows, T]` of 0 and 1; anything, NaN included, where the weight is 0.
      weights: `[rows, T]`, nonzero where a label exists.

    Returns:
      float64 `[T]`, NaN where a task is not used, or where a labelled score is NaN.
    """
    is_labelled = weights != 0
    is_positive = is_labelled & (labels == 1)
    is_used = is_positive.any(axis=0) & ~is_positive.all(axis=0)
    scores = _sigmoid(logits)
    result = np.full(logits.shape[1], np.nan)
    for task in np.flatnonzero(is_used):
        column = scores[:, task]
        result[task] = _average_precision(
            column[is_positive[:, task]], column[is_labelled[:, task]]
        )
    return result


def mean_average_precision(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Computes the mean of `average_precision_per_task` over the tasks in use.

    Args:
      logits: float32 `[rows, T]`.
      labels: `[rows, T]` of 0 and 1; anything, NaN included, where the weight is 0.
      weights: `[rows, T]`, nonzero where a label exists.

    Returns:
      The mean, NaN when no task is in use or when a labelled logit is NaN (a diverged model).
    """
    if (np.isnan(logits) & (weights != 0)).any():
        return float("nan")
    per_task = average_precision_per_task(logits, labels, weights)
    used = per_task[~np.isnan(per_task)]
    return float(used.mean()) if used.size else float("nan")


def _sigmoid(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # exp(-x) = inf gives the right limit, 0
        return 1 / (1 + np.exp(-x.astype(np.float32, copy=False)))


def _average_precision(positive_scores: np.ndarray, scores: np.ndarray) -> float:
    """AP as the mean, over the positives, of the precision at the positive's own score.

    The gain in recall at a threshold is the share of positives with that very score, so summing
    precision times gain over thresholds is averaging over positives. `scores` has all labelled
    rows, the positives among them.
    """
    if np.isnan(scores).any():
        return float("nan")
    positive_scores = np.sort(positive_scores)
    scores = np.sort(scores)
    num_positives_at_least = len(positive_scores) - np.searchsorted(
        positive_scores, positive_scores
    )
    num_at_least = len(scores) - np.searchsorted(scores, positive_scores)
    return float(np.mean(num_positives_at_least / num_at_least))


@flax.struct.dataclass
class CollectedScores(CollectedRows):
    """Keeps logits, labels and weights of every row for metrics that need a whole split.

    `values` maps a name to a tuple of arrays, one per merged batch: `logits` float32 and `labels`
    uint8 and `weights` bool `[rows, T]`, and `in_reference_subset` bool `[rows]`. Rows of padding
    stay among them: their weight is 0, and the rule of `average_precision_per_task` sees them.
    """

    @classmethod
    def from_model_output(cls, **outputs) -> "CollectedScores":
        """Takes `logits`, `labels`, `weights` `[rows, T]` and `in_reference_subset` `[rows]`."""
        weights = jnp.asarray(outputs["weights"]) != 0
        labels = weights & (jnp.asarray(outputs["labels"]) == 1)
        return cls(
            values={
                "logits": (jnp.asarray(outputs["logits"], jnp.float32),),
                "labels": (labels.astype(jnp.uint8),),
                "weights": (weights,),
                "in_reference_subset": (jnp.asarray(outputs["in_reference_subset"], bool),),
            }
        )

    def compute(self) -> dict[str, float]:
        """Returns the mean average precision over all rows."""
        return {"mean_average_precision": self._mean_average_precision()}

    def _mean_average_precision(self, *, reference_subset_only: bool = False) -> float:
        rows = self.rows()
        if not rows:
            return float("nan")
        weights = rows["weights"]
        if reference_subset_only:
            weights = weights & rows["in_reference_subset"][:, np.newaxis]
        return mean_average_precision(rows["logits"], rows["labels"], weights)


@flax.struct.dataclass
class CollectedScoresOfSubsetAndWhole(CollectedScores):
    """`CollectedScores` with one result over the reference subset and one over all rows."""

    def compute(self) -> dict[str, float]:
        """Returns both mean average precisions."""
        return {
            "mean_average_precision": self._mean_average_precision(reference_subset_only=True),
            "mean_average_precision_whole_split": self._mean_average_precision(),
        }


@flax.struct.dataclass
class OgbgMetrics(clu_metrics.Collection):
    """Accuracy, loss and mean average precision over all labelled entries of a split."""

    accuracy: masked_mean("is_correct", "weights")
    loss: masked_mean("loss", "weights")
    scores: CollectedScores

    def compute(self) -> dict[str, float]:
        """Returns `accuracy`, `loss` and `mean_average_precision`."""
        return floats(super().compute())


@flax.struct.dataclass
class OgbgSubsetMetrics(clu_metrics.Collection):
    """The three metrics over the reference's subset of a split, and over the whole split.

    The published targets were reached on the part of a split that the reference implementation
    evaluates (on 8 devices it drops what does not fill a global batch), so the plain names stand
    for that part: the graphs with `in_reference_subset`.
    """

    accuracy: masked_mean("is_correct", "subset_weights")
    loss: masked_mean("loss", "subset_weights")
    accuracy_whole_split: masked_mean("is_correct", "weights")
    loss_whole_split: masked_mean("loss", "weights")
    scores: CollectedScoresOfSubsetAndWhole

    def compute(self) -> dict[str, float]:
        """Returns `accuracy`, `loss`, `mean_average_precision`, and each `..._whole_split`."""
        return floats(super().compute())


def evaluate(
    logits: jax.Array,
    batch: Mapping[str, jax.Array],
    *,
    collection: type[OgbgCollection] = OgbgMetrics,
) -> OgbgCollection:
    """Builds the metrics of one replica's batch; works inside `jit`, `pmap`, `vmap` and `scan`.

    Collections of several replicas may be stacked along a leading axis and joined by `reduce()`;
    batches are joined by `merge()`, on the host.

    Args:
      logits: float32 `[G, T]`.
      batch: `labels` and `weights` `[G, T]`, see `loss`; `in_reference_subset` bool `[G]`.
      collection: `OgbgMetrics` or `OgbgSubsetMetrics`.

    Returns:
      A `collection` with this batch in it.
    """
    weights = batch["weights"]
    in_subset = batch["in_reference_subset"]
    return collection.single_from_model_output(
        logits=logits,
        labels=batch["labels"],
        weights=weights,
        in_reference_subset=in_subset,
        subset_weights=weights * in_subset[:, jnp.newaxis],
        is_correct=((logits > 0) == (batch["labels"] == 1)).astype(jnp.float32),
        loss=loss(logits, batch).per_example,
    )
