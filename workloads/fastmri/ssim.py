"""Structural similarity of images (Wang et al. 2004), as the fastMRI challenge computes it."""

import jax
import jax.numpy as jnp

WINDOW = 7
"""Side of the windows whose statistics are compared."""

_K1, _K2 = 0.01, 0.03


def ssim(x: jax.Array, y: jax.Array, largest: jax.Array) -> jax.Array:
    """The mean structural similarity of pairs of images, over all windows that lie within them.

    Args:
      x, y: float32 `[n, height, width]`, sides of at least 7.
      largest: float32 `[n]`, the range of values; 0 stands for 1.

    Returns:
      float32 `[n]` in [-1, 1], 1 for equal images; NaN where an image has one.

    Raises:
      ValueError: the shapes do not fit.
    """
    if x.ndim != 3 or x.shape != y.shape or largest.shape != x.shape[:1]:
        raise ValueError(
            "x and y must have one shape [n, height, width] and largest the shape [n], got "
            f"{x.shape}, {y.shape} and {largest.shape}"
        )
    if min(x.shape[1:]) < WINDOW:
        raise ValueError(f"images must have sides of at least {WINDOW}, got {x.shape[1:]}")
    largest = jnp.where(largest == 0, 1.0, largest)[:, None, None]
    c1, c2 = (_K1 * largest) ** 2, (_K2 * largest) ** 2
    mean_x, mean_y = window_means(x), window_means(y)
    # Of samples, so that the sum is divided by one less than the window's pixels.
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    var_x = unbiased * (window_means(x**2) - mean_x**2)
    var_y = unbiased * (window_means(y**2) - mean_y**2)
    covariance = unbiased * (window_means(x * y) - mean_x * mean_y)
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    return jnp.clip((above / below).mean(axis=(1, 2)), -1.0, 1.0)


def window_means(x: jax.Array) -> jax.Array:
    """Means of windows of 7 by 7: `[n, height, width]` to `[n, height - 6, width - 6]`.

    Sums of shifted images, not a convolution, whose products an accelerator may round.
    """
    for axis in (1, 2):
        length = x.shape[axis] - WINDOW + 1
        shifted = [jax.lax.slice_in_dim(x, i, i + length, axis=axis) for i in range(WINDOW)]
        x = sum(shifted[1:], shifted[0]) / WINDOW
    return x
