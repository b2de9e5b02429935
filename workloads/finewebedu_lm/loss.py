"""The loss of the language model: softmax cross entropy of every token.

It is computed in float32 from the logits as they are. The reference computes it in the logits'
dtype: a bfloat16 near 3 has a resolution of 1/64, and a sum over a batch one of 0.5 %. The target
of the benchmark was set with such losses, so evaluations compute both (`metrics`); a gradient
differs by the rounding of the soft-max alone.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from algoperf_jax.nn.token_losses import of_every_token, token_losses
from algoperf_jax.workload import LossTerms
from workloads.finewebedu_lm.model import Outputs, logits


def loss(
    outputs: Outputs,
    batch: Mapping[str, jax.Array],
    *,
    label_smoothing: float | jax.Array = 0.0,
) -> LossTerms:
    """Computes the cross entropies of tokens, in float32.

    Args:
      outputs: the model's.
      batch: `targets` int `[N, T]`; `weights` float32 `[N, T]`, 0 where a token does not count.
        Without `weights` every token counts.
      label_smoothing: scalar in [0, 1], may be traced.

    Returns:
      `LossTerms` over tokens; `per_example` is float32 `[N, T]`.

    Raises:
      ValueError: the shapes do not fit together.
    """
    targets = batch["targets"]
    weights = batch.get("weights", jnp.ones(targets.shape, jnp.float32))
    return token_losses(logits, outputs.hidden, outputs.table, targets, weights, label_smoothing)


def published_losses(
    outputs: Outputs, targets: jax.Array, label_smoothing: float | jax.Array = 0.0
) -> jax.Array:
    """The cross entropies as the reference computes them: in the logits' dtype, `[N, T]`."""

    def of_tokens(logits: jax.Array, targets: jax.Array) -> jax.Array:
        log_p = jax.nn.log_softmax(logits)
        target = jnp.take_along_axis(log_p, targets[:, None], axis=-1)[:, 0]
        smoothing = jnp.asarray(label_smoothing, log_p.dtype)
        of_all = log_p.sum(axis=-1)
        return -((1 - smoothing) * target + smoothing / log_p.shape[-1] * of_all)

    return of_every_token(of_tokens, logits, outputs.hidden, outputs.table, targets)
