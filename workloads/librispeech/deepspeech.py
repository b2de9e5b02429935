"""The DeepSpeech of the LibriSpeech workload, in the manner of DeepSpeech 2 (Amodei et al. 2016,
arXiv:1512.02595): two convolutions, bidirectional LSTMs, and feed-forward layers.

Parameter names, shapes and initial values are those of the MLCommons reference implementation v0.6;
its v0.5 had a second bias in each LSTM and other initial values.

Axis letters are those of `layers`.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf_jax.nn.activations import activation
from algoperf_jax.nn.dropout import Dropout
from algoperf_jax.nn.joined_axes import over_joined_axes
from algoperf_jax.workload import BatchNormMode
from workloads.librispeech.layers import (
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
from workloads.librispeech.lstm import bidirectional_lstm
from workloads.librispeech.spec_augment import SpecAugment

DIRECTIONS = 2


class DeepSpeechConfig(NamedTuple):
    """What distinguishes one DeepSpeech from another; the defaults are the benchmark's.

    Attributes:
      pieces: K, word pieces with the blank.
      features: width D of a frame; each direction of an LSTM has half of them.
      num_recurrent_layers: LSTMs.
      num_feed_forward_layers: layers behind them.
      subsampling_channels: C of the convolutions that make fewer frames.
      activation: of convolutions and feed-forward layers, a name of `algoperf_jax.nn.activations`.
      residual: whether each layer adds to what it was given.
      layer_norms: whether layers begin with layer norms in place of batch norms; then there is none
        before the last layer.
      spec_augment: what is hidden of the features in training; None: nothing.
    """

    pieces: int = 1024
    features: int = 512
    num_recurrent_layers: int = 6
    num_feed_forward_layers: int = 3
    subsampling_channels: int = 512
    activation: str = "relu"
    residual: bool = True
    layer_norms: bool = False
    spec_augment: SpecAugment | None = SpecAugment()


class _Gate(nn.Module):
    """Kernel of a gate, and its bias where it has one."""

    features: int
    kernel_init: nn.initializers.Initializer
    has_bias: bool

    @nn.compact
    def __call__(self, inputs: int) -> tuple[jax.Array, jax.Array | None]:
        kernel = self.param("kernel", self.kernel_init, (inputs, self.features))
        if not self.has_bias:
            return kernel, None
        return kernel, self.param("bias", nn.initializers.zeros, (self.features,))


class LSTMCell(nn.Module):
    """The parameters of one direction, stored gate by gate.

    Attributes:
      features: H of the state.
    """

    features: int

    @nn.compact
    def __call__(self, inputs: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns kernels of input `[D, 4 H]` and state `[H, 4 H]`, and biases `[4 H]`."""
        lecun, orthogonal = nn.initializers.lecun_normal(), nn.initializers.orthogonal()
        of_input = [_Gate(self.features, lecun, False, name=f"i{g}")(inputs) for g in "ifgo"]
        of_state = [
            _Gate(self.features, orthogonal, True, name=f"h{g}")(self.features) for g in "ifgo"
        ]
        return (
            jnp.concatenate([kernel for kernel, _ in of_input], axis=1),
            jnp.concatenate([kernel for kernel, _ in of_state], axis=1),
            jnp.concatenate([bias for _, bias in of_state]),
        )


class LSTMSequenceEncoder(nn.Module):
    """The parameters of one direction, under the reference's name."""

    features: int

    @nn.compact
    def __call__(self, inputs: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        """See `LSTMCell`."""
        return LSTMCell(self.features, name="cell")(inputs)


class LSTMLayers(nn.Module):
    """The parameters of both directions, under the reference's names."""

    features: int

    @nn.compact
    def __call__(self, inputs: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns kernels `[R, D, 4 H]` and `[R, H, 4 H]`, and biases `[R, 4 H]`."""
        directions = [
            LSTMSequenceEncoder(self.features, name=f"LSTMSequenceEncoder_{d}")(inputs)
            for d in range(DIRECTIONS)
        ]
        return tuple(jnp.stack(of_both) for of_both in zip(*directions, strict=True))


class LSTM(nn.Module):
    """A bidirectional LSTM.

    Attributes:
      features: H of the state of each direction.
    """

    features: int

    @nn.compact
    def __call__(self, x_NxTxD: jax.Array, lengths: jax.Array) -> jax.Array:
        """Returns float32 `[N, T, 2 H]`."""
        parameters = LSTMLayers(self.features, name="LSTM")(x_NxTxD.shape[-1])
        return bidirectional_lstm(x_NxTxD, lengths, *parameters)


class BatchRNN(nn.Module):
    """A norm and a bidirectional LSTM."""

    config: DeepSpeechConfig
    statistics_axes: tuple[str, ...]

    @nn.compact
    def __call__(self, x_NxTxD: jax.Array, frames: Frames, batch_norm: BatchNormMode) -> jax.Array:
        """Returns float32 `[N, T, D]`; frames of padding are not 0."""
        h = _first_norm(self.config, self.statistics_axes, x_NxTxD, frames, batch_norm)
        lstm = LSTM(self.config.features // DIRECTIONS, name="LSTM_0")
        return lstm(h, frames.lengths)


class FeedForwardModule(nn.Module):
    """A norm and a dense layer."""

    config: DeepSpeechConfig
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
        h = _first_norm(config, self.statistics_axes, x_NxTxD, frames, batch_norm)
        h = activation(config.activation)(over_joined_axes(dense(config.features, "Dense_0"), h))
        return Dropout()(h * frames.keep, rate, deterministic=not train)


def _first_norm(
    config: DeepSpeechConfig,
    statistics_axes: tuple[str, ...],
    x_NxTxD: jax.Array,
    frames: Frames,
    batch_norm: BatchNormMode,
) -> jax.Array:
    """The norm that the calling layer begins with."""
    if config.layer_norms:
        return LayerNorm(name="LayerNorm_0")(x_NxTxD)
    return MaskedBatchNorm(statistics_axes, name="BatchNorm_0")(x_NxTxD, frames, batch_norm)


class DeepSpeech(nn.Module):
    """The speech model of LSTMs with one layer for word pieces.

    The rate of dropout reaches all its places; the reference's v0.6 keeps 0.1 in the feed-forward
    layers whatever is asked for, where layers are residual.

    Attributes:
      config: what distinguishes it.
      statistics_axes: names of the axes over which batch statistics are summed; (): those of the
        utterances given.
    """

    config: DeepSpeechConfig = DeepSpeechConfig()
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
        subsampling = Subsampling(
            config.subsampling_channels, config.features, config.activation, name="Subsample_0"
        )
        h, lengths = subsampling(x, lengths)
        h = Dropout()(h, dropout_rate, deterministic=not train)
        frames = frames_of(lengths, h.shape[1], self.statistics_axes, batch_norm)
        for i in range(config.num_recurrent_layers):
            layer = BatchRNN(config, self.statistics_axes, name=f"BatchRNN_{i}")
            found = layer(h, frames, batch_norm)
            h = h + found if config.residual else found
        for i in range(config.num_feed_forward_layers):
            module = FeedForwardModule(config, self.statistics_axes, name=f"FeedForwardModule_{i}")
            found = module(h, frames, dropout_rate, train, batch_norm)
            h = h + found if config.residual else found
        if not config.layer_norms:
            h = LayerNorm(name="LayerNorm_0")(h)
        return Outputs(over_joined_axes(dense(config.pieces, "Dense_0"), h), lengths)
