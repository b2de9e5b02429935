"""Dense layers over all leading axes at once."""

import flax.linen as nn
import jax


def over_joined_axes(layer: nn.Module, x: jax.Array) -> jax.Array:
    """Applies a dense layer to the last axis of `x`, with all other axes joined to one.

    The joined axis makes the gradient of the kernel an ordinary matrix product. XLA on CPUs
    computes it several times faster than the sum over two axes.

    Args:
      layer: takes `[rows, features]` and returns `[rows, ...]`.
      x: `[..., features]`.

    Returns:
      `[..., ...]`, the leading axes of `x` and then those that the layer makes.
    """
    y = layer(x.reshape(-1, x.shape[-1]))
    return y.reshape(*x.shape[:-1], *y.shape[1:])
