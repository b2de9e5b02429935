"""Evaluation of the WMT workload: loss and accuracy per token, and BLEU of translations.

The model predicts every target token from the true ones before it, and translates the source by
beam search. Both look at no more positions than the longest sentence of the batch needs, as far as
programs of two lengths allow; what lies behind it is masked and has no bearing on the result.
"""

# No `from __future__ import annotations` here: clu reads the metric classes from the annotations.

from collections.abc import Callable, Mapping

import flax
import jax
import jax.numpy as jnp
import numpy as np
from clu import metrics as clu_metrics

from algoperf_jax.nn.metrics import CollectedTexts, floats, masked_mean
from algoperf_jax.nn.token_losses import cross_entropy, of_every_token
from algoperf_jax.parameters import Params
from workloads.wmt.beam_search import END, Stage
from workloads.wmt.bleu import bleu_scores
from workloads.wmt.dataset import WmtData
from workloads.wmt.model import Transformer, logits
from workloads.wmt.translation import translations


@flax.struct.dataclass
class WmtMetrics(clu_metrics.Collection):
    """Accuracy and loss over the target tokens of a split, and its translations."""

    accuracy: masked_mean("is_correct", "weights")
    loss: masked_mean("loss", "weights")
    sentences: CollectedTexts


def evaluate(
    network: Transformer, params: Params, batch: Mapping[str, jax.Array], *, short: int
) -> WmtMetrics:
    """Builds the metrics of one replica's batch.

    Args:
      network: the model.
      params: its parameters.
      batch: `inputs`, `targets` and `weights` `[N, L]`, see `rows.single_rows`.
      short: a length below L that most sentences do not exceed.
    """
    sentences, length = batch["inputs"].shape

    def within(width: int) -> Callable[[], dict[str, jax.Array]]:
        def outputs() -> dict[str, jax.Array]:
            cut = {name: x[:, :width] for name, x in batch.items()}
            stages = search_stages(sentences, width, length)
            found = translations(network, params, cut["inputs"], stages)
            tokens = {**_of_tokens(network, params, cut), "weights": cut["weights"]}
            missing = ((0, 0), (0, length - width))
            return {
                **{name: jnp.pad(x, missing) for name, x in tokens.items()},
                "hypotheses": found.tokens[:, -1, 1:],
            }

        return outputs

    some = (batch["inputs"] != 0) | (batch["targets"] != 0)
    is_short = ~some[:, short:].any()
    outputs = jax.lax.cond(is_short, within(short), within(length))
    return WmtMetrics.single_from_model_output(**outputs, references=batch["targets"])


def search_stages(sentences: int, shortest: int, length: int) -> list[Stage]:
    """The stages of a beam search: lengths double; the last quarter of the sentences goes on alone.

    Args:
      sentences: of the batch.
      shortest: of the first stage.
      length: the most tokens of a translation, its start included.
    """
    lengths = [shortest]
    while lengths[-1] < length:
        lengths.append(min(2 * lengths[-1], length))
    stages = [Stage(sentences, room) for room in lengths]
    return stages + ([Stage(sentences // 4, length)] if sentences >= 4 else [])


def compute_metrics(merged: WmtMetrics, data: WmtData) -> dict[str, float]:
    """Metrics of a split: `accuracy`, `loss`, `bleu` and `bleu_sacrebleu`.

    The references are detokenised ids, too, so they have gone through the vocabulary's
    normalisation.

    Args:
      merged: of all its batches.
      data: has the vocabulary.
    """
    rows = merged.sentences.rows()
    real = rows["references"].any(axis=1)
    hypotheses, references = (
        data.vocabulary.decode(until_end(rows[name][real])) for name in ("hypotheses", "references")
    )
    computed = {"accuracy": merged.accuracy.compute(), "loss": merged.loss.compute()}
    return floats({**computed, **bleu_scores(hypotheses, references)})


def until_end(tokens: np.ndarray) -> list[np.ndarray]:
    """The tokens of each row up to the first end, which is included.

    Of a row without any end only the first token is left. The benchmark's reference implementation
    (v0.6) does so, and its targets mean this; only bad models have such rows.

    Args:
      tokens: int `[rows, length]`.
    """
    ends = np.argmax(tokens == END, axis=1)
    return [row[: end + 1] for row, end in zip(tokens, ends, strict=True)]


def _of_tokens(
    network: Transformer, params: Params, batch: Mapping[str, jax.Array]
) -> dict[str, jax.Array]:
    """Loss of every target token and whether it was predicted, float32 `[N, T]`."""
    outputs = network.apply({"params": params}, batch, train=False, dropout_rate=0.0)

    def values(of_tokens: jax.Array, targets: jax.Array) -> dict[str, jax.Array]:
        is_correct = of_tokens.argmax(axis=-1) == targets
        return {
            "loss": cross_entropy(of_tokens, targets),
            "is_correct": is_correct.astype(jnp.float32),
        }

    return of_every_token(values, logits, outputs.hidden, outputs.table, batch["targets"])
