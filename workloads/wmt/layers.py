"""The layers of the translation model: attention, MLP, layer norm, fixed positions.

Axis letters in names of arrays, here and in `model`:
  N  sentences, or rows of packed sentences
  S  source positions
  T  target positions
  Q  positions that ask
  P  positions that are asked
  K  beams of a sentence
  D  features of a token
  F  features within an MLP
  A  attention heads
  E  features of a head
  V  pieces of the vocabulary
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

LAYER_NORM_EPSILON = 1e-6
LONGEST_PERIOD = 10_000.0  # of the positions' waves, over 2 pi

MASKED = np.finfo(np.float32).min
"""What a masked score is replaced by: a query with nothing to look at finds the mean of all."""


def positions_table(length: int, features: int) -> np.ndarray:
    """Computes the fixed embedding of positions (Vaswani et al. 2017, arXiv:1706.03762).

    The first half of the features are sines, the second cosines, with frequencies that fall
    geometrically from 1 to 1 / 10,000.

    Args:
      length: number of positions.
      features: width of a token; even, at least 4.

    Returns:
      float32 `[length, features]`, computed in float64.

    Raises:
      ValueError: `features` cannot be divided so.
    """
    if features % 2 or features < 4:
        raise ValueError(
            "The width of a token must be even and at least 4, for sines and cosines of its "
            f"position; got {features}."
        )
    half = features // 2
    frequencies = np.exp(-np.arange(half) * (np.log(LONGEST_PERIOD) / (half - 1)))
    angles = np.outer(np.arange(length), frequencies)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def layer_norm() -> nn.LayerNorm:
    """A layer norm over the features."""
    return nn.LayerNorm(epsilon=LAYER_NORM_EPSILON)


class KeysValues(NamedTuple):
    """What an attention looks at.

    Both lie as matrix products take them: XLA on CPUs is several times slower otherwise.

    Attributes:
      keys: float32 `[N, A, E, P]`.
      values: float32 `[N, A, P, E]`.
    """

    keys: jax.Array
    values: jax.Array


class Attention(nn.Module):
    """Scaled dot-product attention with several heads and without biases.

    Parameter names and shapes are those of flax's layer of the same purpose.

    Attributes:
      features: width of a token, a multiple of `num_heads`.
      num_heads: number of heads, which share the features.
      temperature: multiplies the scores.
      dropout_rate: share of the attention weights that is dropped in training.
    """

    features: int
    num_heads: int
    temperature: float = 1.0
    dropout_rate: float = 0.0

    def setup(self) -> None:
        project = functools.partial(
            nn.DenseGeneral, use_bias=False, kernel_init=nn.initializers.xavier_uniform()
        )
        heads = (self.num_heads, self.features // self.num_heads)
        self.query, self.key, self.value = project(heads), project(heads), project(heads)
        self.out = project(self.features, axis=(-2, -1))
        self.drop = Dropout()

    def queries(self, x_NxQxD: jax.Array) -> jax.Array:
        """Returns float32 `[N, A, Q, E]`, scaled."""
        scale = np.float32(self.temperature / np.sqrt(self.features // self.num_heads))
        return over_joined_axes(self.query, x_NxQxD).swapaxes(1, 2) * scale

    def keys_values(self, x_NxPxD: jax.Array) -> KeysValues:
        """Returns what queries will look at in these tokens."""
        return KeysValues(
            over_joined_axes(self.key, x_NxPxD).transpose(0, 2, 3, 1),
            over_joined_axes(self.value, x_NxPxD).swapaxes(1, 2),
        )

    def __call__(
        self, x_NxQxD: jax.Array, asked: KeysValues, mask_NxQxP: jax.Array, *, train: bool
    ) -> jax.Array:
        """Returns float32 `[N, Q, D]`.

        Args:
          x_NxQxD: float32, what asks.
          asked: what is asked.
          mask_NxQxP: bool, which positions a query may look at; broadcast over its axes.
          train: whether attention weights are dropped.
        """
        scores_NxAxQxP = self.queries(x_NxQxD) @ asked.keys
        scores_NxAxQxP = jnp.where(mask_NxQxP[:, None], scores_NxAxQxP, MASKED)
        shares_NxAxQxP = jax.nn.softmax(scores_NxAxQxP)
        shares_NxAxQxP = self.drop(shares_NxAxQxP, self.dropout_rate, deterministic=not train)
        found_NxQxAxE = (shares_NxAxQxP @ asked.values).swapaxes(1, 2)
        rows = found_NxQxAxE.reshape(-1, *found_NxQxAxE.shape[2:])
        return self.out(rows).reshape(x_NxQxD.shape)

    def step(
        self, x_NxKxD: jax.Array, past: KeysValues, position: jax.Array, mask_NxKxP: jax.Array
    ) -> tuple[jax.Array, KeysValues]:
        """Attention of beams to their own past, a token at a time.

        Every beam looks at the past of all, and what it does not descend from is masked. To put
        each beam's past in order instead would move all of it at every step.

        Args:
          x_NxKxD: float32, the newest token of every beam.
          past: of all beams; the beams of a position lie side by side in P.
          position: int scalar, of the new tokens.
          mask_NxKxP: bool, what a beam descends from, its own newest token included.

        Returns:
          float32 `[N, K, D]`, and the past with the new tokens in it.
        """
        new = self.keys_values(x_NxKxD)
        place = position * x_NxKxD.shape[1]
        past = KeysValues(
            jax.lax.dynamic_update_slice_in_dim(past.keys, new.keys, place, axis=3),
            jax.lax.dynamic_update_slice_in_dim(past.values, new.values, place, axis=2),
        )
        return self(x_NxKxD, past, mask_NxKxP, train=False), past


class MlpBlock(nn.Module):
    """Two dense layers with an activation, and if gated a third one that multiplies it.

    Attributes:
      features: width of a token.
      hidden: width of the layer in the middle.
      activation: a name of `algoperf_jax.nn.activations`.
      gated: whether the activated layer is multiplied by a dense layer of the same input
        (Shazeer 2020, arXiv:2002.05202).
    """

    features: int
    hidden: int
    activation: str = "relu"
    gated: bool = False

    @nn.compact
    def __call__(
        self, x_NxTxD: jax.Array, *, train: bool, dropout_rate: float | jax.Array
    ) -> jax.Array:
        """Returns float32 `[N, T, D]`."""

        def dense(number: int, features: int, x: jax.Array) -> jax.Array:
            layer = nn.Dense(
                features,
                kernel_init=nn.initializers.xavier_uniform(),
                bias_init=nn.initializers.normal(1e-6),
                name=f"Dense_{number}",
            )
            return over_joined_axes(layer, x)

        h_NxTxF = activation(self.activation)(dense(0, self.hidden, x_NxTxD))
        if self.gated:
            h_NxTxF = h_NxTxF * dense(1, self.hidden, x_NxTxD)
        h_NxTxF = Dropout()(h_NxTxF, dropout_rate, deterministic=not train)
        y_NxTxD = dense(1 + self.gated, self.features, h_NxTxF)
        return Dropout()(y_NxTxD, dropout_rate, deterministic=not train)
