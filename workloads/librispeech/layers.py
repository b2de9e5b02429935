"""What both speech models are made of: norms that start silent, subsampling, masks of frames.

Axis letters in names of arrays, here and in the models:
  N  examples of the batch
  F  frames of the front-end
  M  mel bins
  T  frames after subsampling, a quarter of F
  D  features of a frame
  C  channels of a convolution
  A  attention heads
  E  features of a head
  K  word pieces
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf_jax.nn.activations import activation
from algoperf_jax.nn.joined_axes import over_joined_axes
from algoperf_jax.workload import BatchNormMode, check_batch_norm_mode
from workloads.librispeech.front_end import frame_lengths, log_mel
from workloads.librispeech.spec_augment import SpecAugment, masked

LAYER_NORM_EPSILON = 1e-6
BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.999

XAVIER_UNIFORM = nn.initializers.xavier_uniform()


def dense(features: int, name: str) -> nn.Dense:
    """A dense layer with a bias, whose kernel begins Xavier uniform."""
    return nn.Dense(features, kernel_init=XAVIER_UNIFORM, name=name)


class Audio(NamedTuple):
    """Utterances as the models take them.

    Attributes:
      samples: `[N, S]`, 16-bit integers of any real dtype.
      lengths: int `[N]`, real samples of each example.
    """

    samples: jax.Array
    lengths: jax.Array


class Features(nn.Module):
    """The front-end; in training parts of what it computes are hidden.

    Attributes:
      spec_augment: how much; None: nothing.
    """

    spec_augment: SpecAugment | None

    @nn.compact
    def __call__(self, audio: Audio, *, train: bool) -> tuple[jax.Array, jax.Array]:
        """Returns features, float32 `[N, F, M]`, and the real frames of each example, `[N]`."""
        features_NxFxM = log_mel(audio.samples, audio.lengths)
        lengths = frame_lengths(audio.lengths, features_NxFxM.shape[1])
        if train and self.spec_augment is not None:
            rng = self.make_rng("dropout")
            features_NxFxM = masked(features_NxFxM, lengths, self.spec_augment, rng)
        return features_NxFxM, lengths


class LayerNorm(nn.Module):
    """A layer norm whose scale is stored as the difference from 1."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalises float32 `[..., D]` over the last axis."""
        scale = self.param("scale", nn.initializers.zeros, (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = jnp.square(centred).mean(axis=-1, keepdims=True)
        return centred * jax.lax.rsqrt(variance + LAYER_NORM_EPSILON) * (1.0 + scale) + bias


class Frames(NamedTuple):
    """Which frames of a batch are real.

    Attributes:
      lengths: int32 `[N]`, real frames of each example.
      keep: float32 `[N, T, 1]`, 1 for a real frame and 0 for padding.
      count: float32 scalar, real frames of all examples whose statistics a batch norm takes
        together, at least 1.
    """

    lengths: jax.Array
    keep: jax.Array
    count: jax.Array


def frames_of(lengths: jax.Array, size: int, axes: tuple[str, ...], mode: BatchNormMode) -> Frames:
    """The real frames of a batch of which each example takes `size` frames.

    Args:
      lengths: int `[N]`, real frames of each example.
      size: frames of an example with its padding.
      axes: names of the axes over which batch norms sum; see `MaskedBatchNorm`.
      mode: of the batch norms. Where they use running statistics nothing is summed, so that a
        forward pass without any statistics needs no axes.
    """
    keep = (jnp.arange(size) < lengths[:, None]).astype(jnp.float32)[..., None]
    count = keep.sum() if mode == "running" else _summed(keep.sum(), axes)
    return Frames(lengths, keep, jnp.maximum(count, 1.0))


class MaskedBatchNorm(nn.Module):
    """A batch norm over the real frames of all examples, with running averages in "batch_stats".

    Variances are biased, those of the running averages too. Every mode but "running" writes new
    running averages; `flax_functions.model_functions` keeps them in mode "update" alone.

    Attributes:
      axes: names of the axes over which statistics are summed, `workload.AXES` for those of the
        global batch; (): those of one replica.
    """

    axes: tuple[str, ...] = ()

    @nn.compact
    def __call__(self, x_NxTxD: jax.Array, frames: Frames, mode: BatchNormMode) -> jax.Array:
        """Normalises float32 `[N, T, D]`; frames of padding come out as 0.

        Raises:
          UserError: there is no such mode.
        """
        check_batch_norm_mode(mode)
        features = x_NxTxD.shape[-1:]
        scale = self.param("scale", nn.initializers.zeros, features)
        bias = self.param("bias", nn.initializers.zeros, features)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, features)
        running_variance = self.variable("batch_stats", "var", jnp.ones, features)
        mean, variance = running_mean.value, running_variance.value
        if mode != "running":
            total = (x_NxTxD * frames.keep).sum(axis=(0, 1))
            mean = _summed(total, self.axes) / frames.count
            squares = (jnp.square(x_NxTxD - mean) * frames.keep).sum(axis=(0, 1))
            variance = _summed(squares, self.axes) / frames.count
            for average, value in ((running_mean, mean), (running_variance, variance)):
                average.value = (
                    BATCH_NORM_MOMENTUM * average.value + (1 - BATCH_NORM_MOMENTUM) * value
                )
        factor = (1.0 + scale) / jnp.sqrt(variance + BATCH_NORM_EPSILON)
        return ((x_NxTxD - mean) * factor + bias) * frames.keep


def _summed(x: jax.Array, axes: tuple[str, ...]) -> jax.Array:
    return jax.lax.psum(x, axes) if axes else x


class Subsampling(nn.Module):
    """Two convolutions of stride 2 over time and frequency, and a dense layer.

    Attributes:
      channels: of the convolutions.
      features: D of the outcome.
      activation: behind each convolution, a name of `algoperf_jax.nn.activations`.
    """

    channels: int
    features: int
    activation: str = "relu"

    @nn.compact
    def __call__(
        self, features_NxFxM: jax.Array, lengths: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Makes a quarter of the frames, rounded up.

        What a frame of padding holds behind a convolution is 0, so it does not reach a real one.

        Args:
          features_NxFxM: float32 `[N, F, M]`.
          lengths: int `[N]`, real frames of each example.

        Returns:
          float32 `[N, T, D]`, where frames of padding are not 0, and the real frames, int `[N]`.
        """
        x = features_NxFxM[..., None]
        for i in range(2):
            convolution = nn.Conv(
                self.channels,
                kernel_size=(3, 3),
                strides=(2, 2),
                padding="SAME",
                kernel_init=XAVIER_UNIFORM,
                name=f"Conv2dSubsampling_{i}",
            )
            lengths = (lengths + 1) // 2
            x = activation(self.activation)(convolution(x))
            is_real = jnp.arange(x.shape[1]) < lengths[:, None]
            x = jnp.where(is_real[:, :, None, None], x, 0.0)
        x_NxTxD = x.reshape(*x.shape[:2], -1)  # frequency outside, channel inside
        return over_joined_axes(dense(self.features, "Dense_0"), x_NxTxD), lengths
