"""Softmax cross entropies of tokens whose logits are never all there at once.

Logits `[rows, length, vocabulary]` are the largest arrays of a language model: 4.2 GB for a full
batch of translation, 13 GB for one of the decoder, and the plain formula takes several times that.
Here they exist for some tokens at a time, as the product of features and a table. The gradient is
computed while they do, so that they need not be kept or computed again.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import CustomVJPPrimal, SymbolicZero

from algoperf_jax.workload import LossTerms

TOKENS_AT_A_TIME = 2048
"""Tokens whose logits exist at a time: 262 MB of them at 32,000 pieces."""

Logits = Callable[[jax.Array, jax.Array], jax.Array]
"""From features `[n, D]` and a table `[V, D]` to logits `[n, V]`; a function of a module."""


def token_losses(
    logits: Logits,
    hidden: jax.Array,
    table: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    label_smoothing: float | jax.Array = 0.0,
) -> LossTerms:
    """The cross entropies of tokens `[N, T]`, with their gradients computed on the way.

    Label smoothing `a` replaces the target's distribution by `(1 - a) onehot + a / V`. The cross
    entropy is then `lse - (1 - a) logit[target] - a mean(logits)`, with the logarithm `lse` of the
    sum of the exponentials of all logits, in float32.

    Args:
      logits: see `Logits`.
      hidden: features `[N, T, D]`.
      table: `[V, D]`.
      targets: int `[N, T]`.
      weights: float32 `[N, T]`, 0 where a token does not count.
      label_smoothing: scalar in [0, 1], may be traced.

    Returns:
      `LossTerms` over tokens; `per_example` is float32 `[N, T]`.

    Raises:
      ValueError: the shapes do not fit together.
    """
    if not hidden.shape[:-1] == targets.shape == weights.shape:
        raise ValueError(
            "the model's features, targets and weights must be of the same tokens [rows, length], "
            f"got {hidden.shape[:-1]}, {targets.shape} and {weights.shape}."
        )
    smoothing = jnp.float32(label_smoothing)
    summed, single = _summed_and_single(logits, (hidden, table), targets, weights, smoothing)
    return LossTerms(summed, weights.sum(), single)


def cross_entropy(
    logits: jax.Array, targets: jax.Array, label_smoothing: float | jax.Array = 0.0
) -> jax.Array:
    """The cross entropies of tokens, float32 `[n]`.

    Args:
      logits: `[n, V]`; computed with as float32.
      targets: int `[n]`.
      label_smoothing: scalar, see `token_losses`.
    """
    logits = logits.astype(jnp.float32)
    lse = jax.nn.logsumexp(logits, axis=-1)
    is_target = jnp.arange(logits.shape[-1]) == targets[:, None]  # never written out
    target = jnp.where(is_target, logits, 0.0).sum(axis=-1)
    smoothed = (1 - label_smoothing) * target + label_smoothing * logits.mean(axis=-1)
    return lse - smoothed


def of_every_token(
    function: Callable[[jax.Array, jax.Array], Any],
    logits: Logits,
    hidden: jax.Array,
    table: jax.Array,
    targets: jax.Array,
) -> Any:
    """Applies a function of a token's logits and target to all tokens.

    Args:
      function: takes `[n, V]` and `[n]`, returns arrays `[n]`, a value for each token.
      logits, hidden, table: as `token_losses` takes them.
      targets: int `[N, T]`.

    Returns:
      What the function returns, `[N, T]`.
    """

    @jax.checkpoint  # keeps the features for a gradient, not the logits
    def of_part(_: None, part: tuple[jax.Array, jax.Array]) -> tuple[None, Any]:
        hidden, targets = part
        return None, function(logits(hidden, table), targets)

    _, values = _by_parts(of_part, None, (hidden, targets))
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


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _summed_and_single(
    logits: Logits,
    factors: tuple[jax.Array, jax.Array],
    targets: jax.Array,
    weights: jax.Array,
    smoothing: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """The sum of the weighted losses, and those of all tokens `[N, T]`.

    The sum's derivatives are computed together with the losses: the weights say beforehand how
    much each token's gradient counts. Those of the single losses are computed from anew.
    """
    single = _single(logits, factors, targets, weights, smoothing)
    return single.sum(), single


def _single(
    logits: Logits,
    factors: tuple[jax.Array, jax.Array],
    targets: jax.Array,
    weights: jax.Array,
    smoothing: jax.Array,
) -> jax.Array:
    def of_token(logits: jax.Array, targets: jax.Array) -> jax.Array:
        return cross_entropy(logits, targets, smoothing)

    return _weighted(weights, of_every_token(of_token, logits, *factors, targets))


def _forward(logits: Logits, *primals: Any) -> tuple[Any, Any]:
    (features, table), targets, weights, smoothing = jax.tree.map(
        lambda x: x.value, primals, is_leaf=lambda x: isinstance(x, CustomVJPPrimal)
    )

    def of_part(carry: Any, part: Any) -> tuple[Any, Any]:
        hidden, targets, weights = part

        def losses(hidden: jax.Array, table: jax.Array, smoothing: jax.Array) -> jax.Array:
            return cross_entropy(logits(hidden, table), targets, smoothing)

        values, pull = jax.vjp(losses, hidden, table, smoothing)
        d_hidden, *d_shared = pull(weights)
        return jax.tree.map(jnp.add, carry, d_shared), (values, d_hidden)

    zeros = [jnp.zeros_like(table), jnp.zeros_like(smoothing)]
    tokens = (features, targets, weights)
    (d_table, d_smoothing), (values, d_hidden) = _by_parts(of_part, zeros, tokens)
    single = _weighted(weights, values)
    derivatives = ((d_hidden, d_table), jnp.where(weights != 0, values, 0.0), d_smoothing)
    kept = ((features, table), targets, weights, smoothing)
    return (single.sum(), single), (kept, derivatives)


def _backward(logits: Logits, kept: Any, cotangents: Any) -> tuple[Any, ...]:
    (factors, targets, weights, smoothing), derivatives = kept
    of_sum, of_single = cotangents
    if isinstance(of_single, SymbolicZero):
        scaled = jax.tree.map(lambda d: (of_sum * d).astype(d.dtype), derivatives)
        d_factors, d_weights, d_smoothing = scaled
    else:
        of_sum = 0.0 if isinstance(of_sum, SymbolicZero) else of_sum
        _, pull = jax.vjp(
            lambda f, w, a: _single(logits, f, targets, w, a), factors, weights, smoothing
        )
        d_factors, d_weights, d_smoothing = pull(of_single + of_sum)
    return d_factors, None, d_weights, d_smoothing


_summed_and_single.defvjp(_forward, _backward, symbolic_zeros=True)
