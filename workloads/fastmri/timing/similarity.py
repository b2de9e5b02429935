"""How long similarities of images take, beside the way of the reference."""

import jax
import jax.numpy as jnp
import numpy as np

from workloads.comparison import Compiled
from workloads.fastmri.ssim import ssim

SIZES = {"full": 320, "mini": 80}
EXAMPLES = 32
_WINDOW = 7


class Comparison:
    """Random images and others that are like them.

    Attributes:
      description: the sizes.
      tolerance: of similarities; sums are taken in another order.
    """

    tolerance = 1e-5

    def __init__(self, workload: str, scale: str):
        """Makes the images; all variants have the same sizes."""
        size = SIZES[scale]
        random = np.random.default_rng(0)
        y = random.random((EXAMPLES, size, size)).astype(np.float32)
        x = y + random.normal(scale=0.1, size=y.shape).astype(np.float32)
        self._arguments = (x, y, y.max(axis=(1, 2)))
        self.description = f"{workload} at scale {scale}, {EXAMPLES} images of {size} by {size}"

    def plain(self) -> Compiled:
        """Padded images filtered by convolutions, image by image and axis by axis."""
        return Compiled(jax.vmap(_as_the_reference), *self._arguments)

    def fast(self) -> Compiled:
        """The kit's."""
        return Compiled(ssim, *self._arguments)


def _as_the_reference(x: jax.Array, y: jax.Array, largest: jax.Array) -> jax.Array:
    unbiased = _WINDOW**2 / (_WINDOW**2 - 1)
    mean_x, mean_y = _filtered(x), _filtered(y)
    var_x = unbiased * (_filtered(x * x) - mean_x * mean_x)
    var_y = unbiased * (_filtered(y * y) - mean_y * mean_y)
    covariance = unbiased * (_filtered(x * y) - mean_x * mean_y)
    c1, c2 = (0.01 * largest) ** 2, (0.03 * largest) ** 2
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    border = _WINDOW // 2
    return (above / below)[border:-border, border:-border].mean()


def _filtered(image: jax.Array) -> jax.Array:
    padded = jnp.pad(image, _WINDOW // 2, mode="symmetric")
    window = jnp.ones(_WINDOW)
    rows = jax.vmap(lambda row: jnp.convolve(row, window, mode="valid"))(padded) / _WINDOW
    columns = jax.vmap(lambda column: jnp.convolve(column, window, mode="valid"))(rows.T)
    return columns.T / _WINDOW
