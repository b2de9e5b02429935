"""Dropout whose rate may be a traced value.

Submissions may change the dropout rate during training, or tune it as a hyper-parameter. A rate
that is part of the compiled program would be compiled again for every value, so here it is an
ordinary argument of the forward pass.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp


def _is_static_zero(rate: float | jax.Array) -> bool:
    return isinstance(rate, (int, float)) and rate == 0


def dropout(x: jax.Array, rate: float | jax.Array, rng: jax.Array) -> jax.Array:
    """Sets elements of `x` to zero at random and scales the others up.

    Each element is kept with probability `1 - rate`, independently, and divided by `1 - rate`, so
    that its expectation does not change (Srivastava et al. 2014, in the "inverted" form).

    Args:
      x: array of any shape and floating dtype.
      rate: probability of dropping an element, in [0, 1]; a Python number or a scalar array, which
        may be traced. A Python 0 draws no random numbers; an array 0 draws them and returns `x`
        bit for bit.
      rng: a JAX random key.

    Returns:
      An array of `x`'s shape and dtype.

    Raises:
      ValueError: `rate` is a Python number outside [0, 1].
    """
    if isinstance(rate, (int, float)) and not 0 <= rate <= 1:
        raise ValueError(f"The dropout rate must lie in [0, 1], got {rate}.")
    if _is_static_zero(rate):
        return x
    keep_probability = 1.0 - jnp.asarray(rate, jnp.float32)
    keep = jax.random.bernoulli(rng, keep_probability, x.shape)
    # At rate 1 nothing is kept; the divisor 1 keeps 0/0 out of the values and of the gradients.
    divisor = jnp.where(keep_probability > 0, keep_probability, 1.0).astype(x.dtype)
    return jnp.where(keep, x / divisor, jnp.zeros_like(x))


class Dropout(nn.Module):
    """`dropout` as a flax module; its key comes from the random stream "dropout".

    It holds no parameters. Every instance in a model draws its own mask.
    """

    @nn.compact
    def __call__(self, x: jax.Array, rate: float | jax.Array, *, deterministic: bool) -> jax.Array:
        """Applies dropout to `x` (any shape, floating dtype), or returns it as it is.

        Args:
          x: array of any shape and floating dtype.
          rate: probability of dropping an element; see `dropout`.
          deterministic: True (evaluation) returns `x` and asks for no random stream; so does a
            `rate` that is the Python number 0.

        Returns:
          An array of `x`'s shape and dtype.
        """
        if deterministic or _is_static_zero(rate):
            return x
        return dropout(x, rate, self.make_rng("dropout"))
