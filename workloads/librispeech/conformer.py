"""The Conformer of the LibriSpeech workload (Gulati et al. 2020, arXiv:2005.08100).

It differs from the paper as the benchmark's does: positions are absolute and added once, queries
have a learned scale per feature, and the convolution's batch norm looks at real frames only.
Parameter names and shapes are those of the MLCommons reference implementation v0.6.

Axis letters are those of `layers`.
"""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from algoperf_jax.nn.activations import activation
from algoperf_jax.nn.dropout import Dropout
from algoperf_jax.nn.joined_axes import over_joined_axes
from algoperf_jax.workload import BatchNormMode
from workloads.librispeech.layers import (
    XAVIER_UNIFORM,
    Audio,
    Features,
    Frames,
    LayerNorm,
    MaskedBatchNorm,
    Subsampling,
    dense,
    frames_of,
)
from workloads.librispeech.loss import Outputs
from workloads.librispeech.spec_augment import SpecAugment

LONGEST_PERIOD = 10_000.0  # of the positions' waves, over 2 pi
MASKED = np.finfo(np.float32).min
SOFTPLUS_OF_0 = 1.442695041  # its inverse


class ConformerConfig(NamedTuple):
    """What distinguishes one Conformer from another; the defaults are the benchmark's.

    Attributes:
      pieces: K, word pieces with the blank.
      features: width D of a frame; even, and a multiple of `num_heads`.
      num_heads: heads of each attention.
      num_blocks: Conformer blocks.
      feed_forward_factor: width of the layer in the middle of a feed-forward module, over D.
      kernel_size: frames that a convolution module sees at a time.
      activation: of feed-forward and convolution modules, a name of `algoperf_jax.nn.activations`.
      attention_temperature: multiplies what an attention found, before its last projection.
      block_norm: whether every block ends with a layer norm.
      inner_dropout: whether dropout is also within feed-forward modules and behind convolution
        modules, as in the benchmark's v0.6; in its v0.5 it is not.
      subsampling_channels: C of the convolutions that make fewer frames.
      spec_augment: what is hidden of the features in training; None: nothing.
    """

    pieces: int = 1024
    features: int = 512
    num_heads: int = 8
    num_blocks: int = 4
    feed_forward_factor: int = 4
    kernel_size: int = 5
    activation: str = "silu"
    attention_temperature: float = 1.0
    block_norm: bool = True
    inner_dropout: bool = True
    subsampling_channels: int = 512
    spec_augment: SpecAugment | None = SpecAugment()


@functools.lru_cache
def positions_table(length: int, features: int) -> np.ndarray:
    """Computes the signal of positions, float32 `[length, features]`: all sines, then all cosines.

    Frequencies fall geometrically from 1 to 1 / 10,000. Angles are products of float32 numbers, as
    in the reference; those of float64 differ by up to 3e-5 at late positions.
    """
    half = features // 2
    increment = np.float32(np.log(LONGEST_PERIOD)) / np.float32(half - 1)
    rates = np.exp(np.arange(half, dtype=np.float32) * -increment)
    angles = np.arange(length, dtype=np.float32)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


class FeedForwardModule(nn.Module):
    """Layer norm and a two-layer perceptron."""

    config: ConformerConfig

    @nn.compact
    def __call__(
        self, x_NxTxD: jax.Array, frames: Frames, rate: float | jax.Array, train: bool
    ) -> jax.Array:
        """Returns float32 `[N, T, D]`."""
        config = self.config
        h = LayerNorm(name="LayerNorm_0")(x_NxTxD)
        wide = dense(config.feed_forward_factor * config.features, "Dense_0")
        h = activation(config.activation)(over_joined_axes(wide, h))
        if config.inner_dropout:
            h = Dropout()(h, rate, deterministic=not train)
        h = over_joined_axes(dense(config.features, "Dense_1"), h * frames.keep) * frames.keep
        return Dropout()(h, rate, deterministic=not train)


class QueryScaler(nn.Module):
    """A learned scale for each feature of a query, the same for all heads; 1 in the beginning."""

    @nn.compact
    def __call__(self, query_NxTxAxE: jax.Array) -> jax.Array:
        """Returns float32 `[N, T, A, E]`."""
        scale = self.param("scale", nn.initializers.zeros, query_NxTxAxE.shape[-1:])
        return query_NxTxAxE * (SOFTPLUS_OF_0 * jax.nn.softplus(scale))


class MultiHeadDotProductAttention(nn.Module):
    """Attention of the real frames to the real frames."""

    config: ConformerConfig

    @nn.compact
    def __call__(self, x_NxTxD: jax.Array, frames: Frames) -> jax.Array:
        """Returns float32 `[N, T, D]`; a frame of padding finds the mean of all frames."""
        config = self.config
        heads = (config.num_heads, config.features // config.num_heads)

        def projected(name: str) -> jax.Array:
            layer = nn.DenseGeneral(heads, kernel_init=XAVIER_UNIFORM, name=name)
            return over_joined_axes(layer, x_NxTxD)

        query = QueryScaler(name="QueryScaler_0")(projected("query"))
        is_real = frames.keep[..., 0] > 0
        seen_NxTxT = is_real[:, :, None] & is_real[:, None, :]
        scores = jnp.einsum("ntae,nsae->nats", query / np.sqrt(heads[1]), projected("key"))
        scores = jnp.where(seen_NxTxT[:, None], scores, MASKED)
        found = jnp.einsum("nats,nsae->ntae", jax.nn.softmax(scores), projected("value"))
        out = nn.DenseGeneral(
            config.features, axis=(-2, -1), kernel_init=XAVIER_UNIFORM, name="out"
        )
        return out(found * config.attention_temperature)


class MultiHeadedSelfAttention(nn.Module):
    """Layer norm and attention."""

    config: ConformerConfig

    @nn.compact
    def __call__(
        self, x_NxTxD: jax.Array, frames: Frames, rate: float | jax.Array, train: bool
    ) -> jax.Array:
        """Returns float32 `[N, T, D]`."""
        attention = MultiHeadDotProductAttention(self.config, name="MultiHeadDotProductAttention_0")
        h = attention(LayerNorm(name="LayerNorm_0")(x_NxTxD), frames)
        return Dropout()(h, rate, deterministic=not train)


class DepthwiseConvolution(nn.Module):
    """A filter over time for each feature, without bias.

    It is written as a sum of shifted products. XLA's convolution with one filter per feature
    takes three times as long on CPUs, with its gradients.
    """

    kernel_size: int

    @nn.compact
    def __call__(self, x_NxTxD: jax.Array) -> jax.Array:
        """Returns float32 `[N, T, D]`; what lies beyond the ends counts as 0."""
        shape = (self.kernel_size, 1, x_NxTxD.shape[-1])
        kernel = self.param("kernel", XAVIER_UNIFORM, shape)
        before = (self.kernel_size - 1) // 2
        padded = jnp.pad(x_NxTxD, ((0, 0), (before, self.kernel_size - 1 - before), (0, 0)))
        size = x_NxTxD.shape[1]
        return sum(padded[:, i : i + size] * kernel[i] for i in range(self.kernel_size))


class ConvolutionBlock(nn.Module):
    """Layer norm, a gate, a convolution over time with batch norm, and a dense layer.

    Attributes:
      statistics_axes: see `MaskedBatchNorm`.
    """

    config: ConformerConfig
    statistics_axes: tuple[str, ...]

    @nn.compact
    def __call__(
        self,
        x_NxTxD: jax.Array,
        frames: Frames,
        rate: float | jax.Array,
        train: bool,
        batch_norm: BatchNormMode,
    ) -> jax.Array:
        """Returns float32 `[N, T, D]`."""
        config = self.config
        h = LayerNorm(name="LayerNorm_0")(x_NxTxD)
        gate = over_joined_axes(dense(config.features, "Dense_1"), h)
        h = over_joined_axes(dense(config.features, "Dense_0"), h) * jax.nn.sigmoid(gate)
        h = DepthwiseConvolution(config.kernel_size, name="Conv_0")(h * frames.keep)
        norm = MaskedBatchNorm(self.statistics_axes, name="BatchNorm_0")
        h = activation(config.activation)(norm(h, frames, batch_norm))
        h = over_joined_axes(dense(config.features, "Dense_2"), h)
        if config.inner_dropout:
            h = Dropout()(h, rate, deterministic=not train)
        return h


class ConformerBlock(nn.Module):
    """Half a feed-forward module, attention, convolution, and the other half."""

    config: ConformerConfig
    statistics_axes: tuple[str, ...]

    @nn.compact
    def __call__(
        self,
        x_NxTxD: jax.Array,
        frames: Frames,
        rate: float | jax.Array,
        train: bool,
        batch_norm: BatchNormMode,
    ) -> jax.Array:
        """Returns float32 `[N, T, D]`."""
        config, h = self.config, x_NxTxD
        first, second = (FeedForwardModule(config, name=f"FeedForwardModule_{i}") for i in range(2))
        attention = MultiHeadedSelfAttention(config, name="MultiHeadedSelfAttention_0")
        convolution = ConvolutionBlock(config, self.statistics_axes, name="ConvolutionBlock_0")
        h = h + 0.5 * first(h, frames, rate, train)
        h = h + attention(h, frames, rate, train)
        h = h + convolution(h, frames, rate, train, batch_norm)
        h = h + 0.5 * second(h, frames, rate, train)
        return LayerNorm(name="LayerNorm_0")(h) if config.block_norm else h


class Conformer(nn.Module):
    """The speech model of Conformer blocks with one layer for word pieces.

    Attributes:
      config: what distinguishes it.
      statistics_axes: names of the axes over which batch statistics are summed; (): those of the
        utterances given.
    """

    config: ConformerConfig = ConformerConfig()
    statistics_axes: tuple[str, ...] = ()

    @nn.compact
    def __call__(
        self,
        audio: Audio,
        *,
        train: bool = False,
        dropout_rate: float | jax.Array = 0.0,
        batch_norm: BatchNormMode,
    ) -> Outputs:
        """Computes a distribution over word pieces for every fourth frame.

        Args:
          audio: the utterances.
          train: whether parts of the features are hidden and dropout is on.
          dropout_rate: share of activations that is dropped.
          batch_norm: which statistics normalise; see `MaskedBatchNorm`.

        Returns:
          Logits `[N, T, K]` and the real frames of each example.
        """
        config = self.config
        x, lengths = Features(config.spec_augment)(audio, train=train)
        subsampling = Subsampling(config.subsampling_channels, config.features, name="Subsample_0")
        h, lengths = subsampling(x, lengths)
        h = h + positions_table(h.shape[1], config.features)
        h = Dropout()(h, dropout_rate, deterministic=not train)
        frames = frames_of(lengths, h.shape[1], self.statistics_axes, batch_norm)
        for i in range(config.num_blocks):
            block = ConformerBlock(config, self.statistics_axes, name=f"ConformerBlock_{i}")
            h = block(h, frames, dropout_rate, train, batch_norm)
        h = LayerNorm(name="LayerNorm_0")(h)
        return Outputs(over_joined_axes(dense(config.pieces, "Dense_0"), h), lengths)
