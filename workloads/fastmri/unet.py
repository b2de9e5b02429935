"""The network of the fastMRI workload: a U-Net (Ronneberger et al. 2015, Zbontar et al. 2018).

Layers, names and initial values are those of the benchmark's reference implementation, v0.6, but
for its dropout, whose rate there never reaches the layers.
"""

import functools
from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf_jax.nn.dropout import Dropout
from algoperf_jax.workload import BatchNormMode

_ACTIVATIONS = {
    "leaky_relu": functools.partial(nn.leaky_relu, negative_slope=0.2),
    "tanh": nn.tanh,
}


class Config(NamedTuple):
    """What distinguishes the variants, and the scales.

    Attributes:
      channels: of the first level; each level below has twice as many.
      levels: how often the image is halved.
      activation: "leaky_relu" (slope 0.2) or "tanh".
      layer_norms: in the blocks of convolutions, in place of instance norms.
    """

    channels: int = 32
    levels: int = 4
    activation: Literal["leaky_relu", "tanh"] = "leaky_relu"
    layer_norms: bool = False


class UNet(nn.Module):
    """From zero-filled images to those of all measurements, both normalised."""

    config: Config

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        *,
        train: bool,
        dropout_rate: float | jax.Array,
        batch_norm: BatchNormMode,
    ) -> jax.Array:
        """Computes images.

        Args:
          images: float32 `[n, height, width]`, multiples of 2 to the power of the levels.
          train: whether dropout is active.
          dropout_rate: of channels, behind each activation of the blocks of convolutions.
          batch_norm: has no bearing, there are none.

        Returns:
          float32 of the same shape.

        Raises:
          ValueError: height or width is no such multiple.
        """
        del batch_norm
        config = self.config
        if any(size % 2**config.levels for size in images.shape[1:]):
            raise ValueError(
                f"images must have sides that {2**config.levels} divides, got {images.shape[1:]}"
            )
        block = functools.partial(ConvBlock, config)
        call = {"train": train, "dropout_rate": dropout_rate}
        widths = [config.channels * 2**level for level in range(config.levels + 1)]
        x, skips = images[..., None], []
        for width in widths[:-1]:
            x = block(width)(x, **call)
            skips.append(x)
            x = halved(x)
        x = block(widths[-1])(x, **call)
        for width, skip in zip(widths[-2::-1], skips[::-1], strict=True):
            x = TransposeConvBlock(config, width)(x)
            x = block(width)(jnp.concatenate([x, skip], axis=-1), **call)
        return nn.Conv(1, (1, 1))(x)[..., 0]


class ConvBlock(nn.Module):
    """Twice a convolution, a norm, an activation and dropout of channels."""

    config: Config
    channels: int

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool, dropout_rate: float | jax.Array) -> jax.Array:
        """From float32 `[n, h, w, c]` to `[n, h, w, channels]`."""
        for _ in range(2):
            x = nn.Conv(self.channels, (3, 3), use_bias=False)(x)
            if self.config.layer_norms:
                x = nn.LayerNorm(epsilon=1e-6, reduction_axes=(1, 2, 3), feature_axes=-1)(x)
            else:
                x = instance_norm(x)
            x = _ACTIVATIONS[self.config.activation](x)
            kept = jnp.ones((len(x), 1, 1, self.channels), x.dtype)
            dropout = Dropout()(kept, dropout_rate, deterministic=not train)
            x = x if dropout is kept else x * dropout
        return x


class TransposeConvBlock(nn.Module):
    """A transposed convolution that doubles the image, a norm and an activation."""

    config: Config
    channels: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """From float32 `[n, h, w, c]` to `[n, 2 h, 2 w, channels]`."""
        x = Doubling(self.channels, name="ConvTranspose_0")(x)
        return _ACTIVATIONS[self.config.activation](instance_norm(x))


class Doubling(nn.Module):
    """A transposed convolution with a kernel of 2 by 2 and stride 2, without bias.

    Each pixel becomes four and no two overlap, so this is one product of matrices; the kernel lies
    as `flax.linen.ConvTranspose` has it.
    """

    channels: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """From float32 `[n, h, w, c]` to `[n, 2 h, 2 w, channels]`."""
        n, height, width, features = x.shape
        kernel = self.param(
            "kernel", nn.initializers.lecun_normal(), (2, 2, features, self.channels)
        )
        y = jnp.einsum("nhwc,abco->nhawbo", x, kernel[::-1, ::-1])
        return y.reshape(n, 2 * height, 2 * width, self.channels)


def instance_norm(x: jax.Array) -> jax.Array:
    """Normalises each channel of each image to mean 0 and variance 1.

    Args:
      x: float32 `[n, h, w, c]`.

    Returns:
      float32 of the same shape.
    """
    mean = x.mean(axis=(1, 2), keepdims=True)
    variance = jnp.maximum(0.0, (x**2).mean(axis=(1, 2), keepdims=True) - mean**2)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5)


def halved(x: jax.Array) -> jax.Array:
    """Means of two by two pixels: `[n, h, w, c]` to `[n, h / 2, w / 2, c]`."""
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))
