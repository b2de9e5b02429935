"""The loss of the translation workload: softmax cross entropy of every target token.

The logits of a full batch, `[128, 256, 32000]`, take 4.2 GB, and the plain formula several times
that. Here they exist for some tokens at a time. The gradient is computed while they do, so that
they need not be kept or computed again.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import CustomVJPPrimal, SymbolicZero

from algoperf_jax.workload import LossTerms
from workloads.wmt.model import Outputs, logits

TOKENS_AT_A_TIME = 2048
"""Tokens whose logits exist at a time: 262 MB of them at 32,000 pieces."""


def loss(
    outputs: Outputs,
    batch: Mapping[str, jax.Array],
    *,
    label_smoothing: float | jax.Array = 0.0,
) -> LossTerms:
    """Computes the cross entropies of target tokens, with padding masked out.

    Label smoothing `a` replaces the target's distribution by `(1 - a) onehot + a / V`. The cross
    entropy is then `lse - (1 - a) logit[target] - a mean(logits)`, with the logarithm `lse` of the
    sum of the exponentials of all logits.

    Args:
      outputs: the model's.
      batch: `targets` int `[N, T]`; `weights` `[N, T]`, 0 where a token does not count. Without
        `weights` every token counts.
      label_smoothing: scalar in [0, 1], may be traced.

    Returns:
      `LossTerms` over target tokens: `n_valid` counts tokens and not sentences, `per_example` is
      float32 `[N, T]`.

    Raises:
      ValueError: the shapes do not fit together.
    """
    targets = batch["targets"]
    weights = batch.get("weights", jnp.ones_like(targets)).astype(jnp.float32)
    if not outputs.hidden.shape[:-1] == targets.shape == weights.shape:
        raise ValueError(
            "the model's features, targets and weights must be of the same tokens [rows, length], "
            f"got {outputs.hidden.shape[:-1]}, {targets.shape} and {weights.shape}."
        )
    summed, single = _summed_and_single(outputs, targets, weights, jnp.float32(label_smoothing))
    return LossTerms(summed, weights.sum(), single)


def cross_entropy(
    logits: jax.Array, targets: jax.Array, label_smoothing: float | jax.Array = 0.0
) -> jax.Array:
    """The cross entropies of tokens, float32 `[n]`.

    Args:
      logits: float32 `[n, V]`.
      targets: int `[n]`.
      label_smoothing: scalar, see `loss`.
    """
    lse = jax.nn.logsumexp(logits, axis=-1)
    is_target = jnp.arange(logits.shape[-1]) == targets[:, None]  # never written out
    target = jnp.where(is_target, logits, 0.0).sum(axis=-1)
    smoothed = (1 - label_smoothing) * target + label_smoothing * logits.mean(axis=-1)
    return lse - smoothed


def of_every_token(
    function: Callable[[jax.Array, jax.Array], Any],
    outputs: Outputs,
    targets: jax.Array,
) -> Any:
    """Applies a function of a token's logits and target to all tokens.

    Args:
      function: takes `[n, V]` and `[n]`, returns arrays `[n]`, a value for each token.
      outputs: the model's, for tokens `[N, T]`.
      targets: int `[N, T]`.

    Returns:
      What the function returns, `[N, T]`.
    """

    @jax.checkpoint  # keeps the features for a gradient, not the logits
    def of_part(_: None, part: tuple[jax.Array, jax.Array]) -> tuple[None, Any]:
        hidden, targets = part
        return None, function(logits(hidden, outputs.table), targets)

    _, values = _by_parts(of_part, None, (outputs.hidden, targets))
    return values


def _by_parts(step: Callable, carry: Any, tokens: Any) -> tuple[Any, Any]:
    """`jax.lax.scan` over parts of tokens `[N, T, ...]`; what comes out is `[N, T, ...]`."""
    rows, length = jax.tree.leaves(tokens)[0].shape[:2]
    count = rows * length
    parts = -(-count // TOKENS_AT_A_TIME)
    size = -(-count // parts)

    def divided(x: jax.Array) -> jax.Array:
        x = x.reshape(count, *x.shape[2:])
        padding = ((0, parts * size - count), *[(0, 0)] * (x.ndim - 1))
        return jnp.pad(x, padding).reshape(parts, size, *x.shape[1:])

    tokens = jax.tree.map(divided, tokens)
    if parts == 1:  # XLA on CPUs is slower at matrix products inside loops
        carry, values = step(carry, jax.tree.map(lambda x: x[0], tokens))
        values = jax.tree.map(lambda x: x[None], values)
    else:
        carry, values = jax.lax.scan(step, carry, tokens)

    def joined(x: jax.Array) -> jax.Array:
        return x.reshape(parts * size, *x.shape[2:])[:count].reshape(rows, length, *x.shape[2:])

    return carry, jax.tree.map(joined, values)


def _weighted(weights: jax.Array, losses: jax.Array) -> jax.Array:
    """The losses of what counts: a weight of 0 times NaN would be NaN."""
    return jnp.where(weights != 0, weights * losses, 0.0)


@jax.custom_vjp
def _summed_and_single(
    outputs: Outputs, targets: jax.Array, weights: jax.Array, smoothing: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The sum of the weighted losses, and those of all tokens `[N, T]`.

    The sum's derivatives are computed together with the losses: the weights say beforehand how
    much each token's gradient counts. Those of the single losses are computed from anew.
    """
    single = _single(outputs, targets, weights, smoothing)
    return single.sum(), single


def _single(
    outputs: Outputs, targets: jax.Array, weights: jax.Array, smoothing: jax.Array
) -> jax.Array:
    def of_token(logits: jax.Array, targets: jax.Array) -> jax.Array:
        return cross_entropy(logits, targets, smoothing)

    return _weighted(weights, of_every_token(of_token, outputs, targets))


def _forward(*primals: Any) -> tuple[Any, Any]:
    outputs, targets, weights, smoothing = jax.tree.map(
        lambda x: x.value, primals, is_leaf=lambda x: isinstance(x, CustomVJPPrimal)
    )

    def of_part(carry: Any, part: Any) -> tuple[Any, Any]:
        hidden, targets, weights = part

        def losses(hidden: jax.Array, table: jax.Array, smoothing: jax.Array) -> jax.Array:
            return cross_entropy(logits(hidden, table), targets, smoothing)

        values, pull = jax.vjp(losses, hidden, outputs.table, smoothing)
        d_hidden, *d_shared = pull(weights)
        return jax.tree.map(jnp.add, carry, d_shared), (values, d_hidden)

    zeros = [jnp.zeros_like(outputs.table), jnp.zeros_like(smoothing)]
    tokens = (outputs.hidden, targets, weights)
    (d_table, d_smoothing), (values, d_hidden) = _by_parts(of_part, zeros, tokens)
    single = _weighted(weights, values)
    derivatives = (Outputs(d_hidden, d_table), jnp.where(weights != 0, values, 0.0), d_smoothing)
    return (single.sum(), single), ((outputs, targets, weights, smoothing), derivatives)


def _backward(kept: Any, cotangents: Any) -> tuple[Any, ...]:
    (outputs, targets, weights, smoothing), derivatives = kept
    of_sum, of_single = cotangents
    if isinstance(of_single, SymbolicZero):
        d_outputs, d_weights, d_smoothing = jax.tree.map(lambda d: of_sum * d, derivatives)
    else:
        of_sum = 0.0 if isinstance(of_sum, SymbolicZero) else of_sum
        _, pull = jax.vjp(lambda o, w, a: _single(o, targets, w, a), outputs, weights, smoothing)
        d_outputs, d_weights, d_smoothing = pull(of_single + of_sum)
    return d_outputs, None, d_weights, d_smoothing


_summed_and_single.defvjp(_forward, _backward, symbolic_zeros=True)
