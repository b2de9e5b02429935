"""Evaluation of the LibriSpeech workloads: CTC loss per label, and word error rates."""

# No `from __future__ import annotations` here: clu reads the metric classes from the annotations.

from collections.abc import Mapping

import flax
import jax
import jax.numpy as jnp
from clu import metrics as clu_metrics

from algoperf_jax.nn.metrics import CollectedTexts, floats, ratio_of_sums
from workloads.librispeech.decoding import greedy_decode
from workloads.librispeech.loss import Outputs, loss
from workloads.librispeech.utterances import SpeechData
from workloads.librispeech.word_errors import (
    PRINTED_WORDS_OF_NOTHING,
    WordErrors,
    as_printed,
    word_errors,
)


@flax.struct.dataclass
class SpeechMetrics(clu_metrics.Collection):
    """Loss over the labels of a split, and its transcripts."""

    loss: ratio_of_sums("summed", "n_valid")
    transcripts: CollectedTexts


def evaluate(outputs: Outputs, batch: Mapping[str, jax.Array], *, frames: int) -> SpeechMetrics:
    """Builds the metrics of one replica's batch.

    Args:
      outputs: of the model.
      batch: see `batching`.
      frames: of the models' longest batch; rows of all batches have so many places.
    """
    hypotheses, _ = greedy_decode(outputs.logits, outputs.lengths)
    terms = loss(outputs, batch)
    missing = frames - hypotheses.shape[1]
    return SpeechMetrics.single_from_model_output(
        summed=terms.summed,
        n_valid=terms.n_valid,
        hypotheses=jnp.pad(hypotheses, ((0, 0), (0, missing))),
        references=batch["labels"],
    )


def compute_metrics(
    merged: SpeechMetrics, data: SpeechData, *, padding_group: tuple[int, int] | None = None
) -> dict[str, float]:
    """Metrics of a split: `loss`, `wer` as the benchmark counts it, and `wer_plain`.

    Args:
      merged: of all its batches.
      data: has the tokenizer.
      padding_group: `(batch size, shards)` of the reference's evaluation; None: nothing is added
        for its padding. It fills its last batch up to a multiple of the shards, and each example
        that it adds counts as a reference without text.
    """
    rows = merged.transcripts.rows()
    real = rows["references"].any(axis=1)
    hypotheses, references = (
        data.tokenizer.decode([row[row != 0] for row in rows[name][real]])
        for name in ("hypotheses", "references")
    )
    printed = word_errors(map(as_printed, hypotheses), map(as_printed, references))
    padding = padding_examples(int(real.sum()), *padding_group) if padding_group else 0
    counted = WordErrors(printed.errors, printed.words + PRINTED_WORDS_OF_NOTHING * padding)
    return floats(
        {
            "loss": merged.loss.compute(),
            "wer": counted.rate,
            "wer_plain": word_errors(hypotheses, references).rate,
        }
    )


def padding_examples(examples: int, batch_size: int, shards: int) -> int:
    """How many examples the reference adds to its last batch, to divide it into equal shards."""
    return -(examples % batch_size) % shards
