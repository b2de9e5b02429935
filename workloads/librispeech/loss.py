"""The loss of the LibriSpeech workloads: connectionist temporal classification of word pieces."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from algoperf_jax.nn.loss_terms import loss_terms
from algoperf_jax.workload import LossTerms
from workloads.librispeech.ctc import ctc_loss


class Outputs(NamedTuple):
    """What a speech model makes of a batch.

    Attributes:
      logits: float32 `[B, T, K]`, of word pieces; class 0 is the blank.
      lengths: int32 `[B]`, the frames of each utterance.
    """

    logits: jax.Array
    lengths: jax.Array


def loss(
    outputs: Outputs,
    batch: Mapping[str, jax.Array],
    *,
    label_smoothing: float | jax.Array = 0.0,
) -> LossTerms:
    """Computes the losses of utterances; their mean is per word piece.

    Args:
      outputs: the model's.
      batch: `labels` int `[B, N]`, `label_lengths` int `[B]`; `weights` `[B]`, 0 for an utterance
        that does not count, whose logits may be anything. Without `weights` every one counts.
      label_smoothing: ignored, as the benchmark defines this loss without it.

    Returns:
      `LossTerms`: `n_valid` counts the word pieces of utterances that count, the end of a text
      among them; `per_example` is float32 `[B]`, of utterances.

    Raises:
      ValueError: the shapes do not fit together.
    """
    del label_smoothing
    label_lengths = batch["label_lengths"]
    weights = batch.get("weights", jnp.ones_like(label_lengths)).astype(jnp.float32)
    if weights.shape != label_lengths.shape:
        raise ValueError(
            "weights must be of utterances, as the lengths of labels are: got "
            f"{weights.shape} and {label_lengths.shape}."
        )
    losses = ctc_loss(outputs.logits, outputs.lengths, batch["labels"], label_lengths)
    return loss_terms(losses, weights)._replace(n_valid=(weights * label_lengths).sum())
