"""The decoder: predicts each token of a text from those before it.

A decoder-only Transformer with rotary positions (Su et al. 2021, arXiv:2104.09864), normalised
queries and keys under a learned scale, and a gated MLP. Parameter names and shapes are those of the
MLCommons reference implementation of 2026.

In names of arrays N are rows, T tokens of a row, D features, H heads, K features of a head, F
features of the MLP, V pieces of the vocabulary.
"""

import functools
import math
from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from algoperf_jax.workload import BatchNormMode

EPSILON = 1e-6
ROPE_BASE = 500_000.0
F_MULTIPLE = 256
"""The width of the MLP is rounded up to a multiple of this."""


class Config(NamedTuple):
    """The shape of the model; the defaults are the benchmark's.

    Attributes:
      vocabulary_size: V.
      features: D.
      num_heads: H.
      mlp_dim: F before it is rounded up.
      num_layers: blocks.
      length: the longest row; also sets where the scale of the attention begins.
      compute: `"bfloat16"`: parameters are rounded to it before use, all but statistics, soft-max
        and rotations is computed in it, and the scale of the attention is kept in it; `"float32"`.
    """

    vocabulary_size: int = 50_257
    features: int = 1024
    num_heads: int = 8
    mlp_dim: int = 4096
    num_layers: int = 12
    length: int = 1024
    compute: Literal["bfloat16", "float32"] = "bfloat16"

    @property
    def dtype(self) -> jnp.dtype:
        """Of what is computed."""
        return jnp.dtype(self.compute)

    @property
    def mlp_width(self) -> int:
        """F."""
        return F_MULTIPLE * -(-self.mlp_dim // F_MULTIPLE)

    @property
    def initial_attention_scale(self) -> float:
        """log2(length^2 - length)."""
        return math.log2(self.length**2 - self.length)


class Outputs(NamedTuple):
    """The logits of a batch as the factors of a product, which the loss takes part by part.

    Attributes:
      hidden: `[N, T, D]`, in the dtype of the computation.
      table: float32 `[V, D]`.
    """

    hidden: jax.Array
    table: jax.Array

    def logits(self) -> jax.Array:
        """All logits `[N, T, V]`, in the dtype of the computation."""
        return logits(self.hidden, self.table)


def logits(hidden: jax.Array, table_VxD: jax.Array) -> jax.Array:
    """The logits of tokens `[..., V]` from their features `[..., D]`, in the features' dtype."""
    return hidden @ table_VxD.astype(hidden.dtype).T


def _normal(layers: int | None = None) -> nn.initializers.Initializer:
    """Of kernels, narrower for those that write to the residual stream of so many layers."""
    return nn.initializers.normal(0.02 if layers is None else 0.02 / math.sqrt(2 * layers))


class Decoder(nn.Module):
    """The model."""

    config: Config = Config()

    def setup(self) -> None:
        self.embed = nn.Embed(
            self.config.vocabulary_size,
            self.config.features,
            embedding_init=_normal(),
            dtype=self.config.dtype,
        )
        self.blocks = [Block(self.config) for _ in range(self.config.num_layers)]
        self.out_ln = RMSNorm(self.config.dtype)

    def __call__(
        self,
        tokens_NxT: jax.Array,
        *,
        train: bool,
        dropout_rate: float | jax.Array = 0.0,
        batch_norm: BatchNormMode = "running",
    ) -> Outputs:
        """Predicts the token behind each one.

        Documents that share a row see each other, and positions do not begin anew.

        Args:
          tokens_NxT: int, T at most the configured length.
          train, dropout_rate, batch_norm: without effect, there is neither dropout nor batch norm.

        Raises:
          ValueError: the rows are longer than the configured length.
        """
        del train, dropout_rate, batch_norm
        if tokens_NxT.shape[1] > self.config.length:
            raise ValueError(
                f"rows of {tokens_NxT.shape[1]} tokens, the model is made for "
                f"{self.config.length} at most"
            )
        x_NxTxD = self.embed(tokens_NxT)
        for block in self.blocks:
            x_NxTxD = block(x_NxTxD)
        return Outputs(self.out_ln(x_NxTxD), self.embed.embedding)


class Block(nn.Module):
    """Attention and MLP, each behind a norm and added to the residual stream."""

    config: Config

    @nn.compact
    def __call__(self, x_NxTxD: jax.Array) -> jax.Array:
        dtype = self.config.dtype
        x_NxTxD = x_NxTxD + CausalAttn(self.config)(RMSNorm(dtype)(x_NxTxD))
        return x_NxTxD + Mlp(self.config)(RMSNorm(dtype)(x_NxTxD))


class CausalAttn(nn.Module):
    """Attention of each token to itself and those before it."""

    config: Config

    @nn.compact
    def __call__(self, x_NxTxD: jax.Array) -> jax.Array:
        config = self.config
        features = config.num_heads, config.features // config.num_heads
        project = functools.partial(
            nn.DenseGeneral,
            features,
            use_bias=False,
            kernel_init=_normal(),
            dtype=config.dtype,
        )
        query, key, value = (project(name=name)(x_NxTxD) for name in ("query", "key", "value"))
        # In bfloat16 it is kept in bfloat16, where a step moves it by 0.125 or not at all: with
        # usual learning rates it stays. The published targets come from such runs.
        scale = self.param(
            "attn_scale", nn.initializers.constant(config.initial_attention_scale), (), config.dtype
        )
        cos, sin = rotations(config.length, features[1])
        query, key = (rotated(x, cos, sin) for x in (query, key))
        attended = causal_attention(scale * normalised(query), normalised(key), value)
        return nn.Dense(
            config.features,
            use_bias=False,
            kernel_init=_normal(config.num_layers),
            dtype=config.dtype,
            name="attn_out_proj",
        )(attended.reshape(x_NxTxD.shape))


class Mlp(nn.Module):
    """A gated perceptron: the first half of its features are values, the second half gates."""

    config: Config

    @nn.compact
    def __call__(self, x_NxTxD: jax.Array) -> jax.Array:
        config = self.config
        dense = functools.partial(nn.Dense, use_bias=False, dtype=config.dtype)
        both = dense(2 * config.mlp_width, kernel_init=_normal())(x_NxTxD)
        value_NxTxF, gate_NxTxF = jnp.split(both, 2, axis=-1)
        gated_NxTxF = value_NxTxF * jax.nn.sigmoid(gate_NxTxF)
        return dense(config.features, kernel_init=_normal(config.num_layers))(gated_NxTxF)


class RMSNorm(nn.Module):
    """x over the root of its mean square, times a scale; computed in float32, rounded once."""

    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x_NxTxD: jax.Array) -> jax.Array:
        scale_D = self.param("scale", nn.initializers.ones, x_NxTxD.shape[-1:])
        x_NxTxD = x_NxTxD.astype(jnp.float32)
        factor = jax.lax.rsqrt(jnp.mean(x_NxTxD**2, axis=-1, keepdims=True) + EPSILON)
        scale_D = scale_D.astype(self.dtype).astype(jnp.float32)
        return (x_NxTxD * factor * scale_D).astype(self.dtype)


def rotations(length: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of positions and pairs of features, float32 `[length, features / 2]`.

    Computed in float64: a constant of the program.
    """
    frequencies = ROPE_BASE ** (-2 * np.arange(features // 2) / features)
    angles = np.arange(length)[:, None] * frequencies
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotated(x_NxTxHxK: jax.Array, cos: np.ndarray, sin: np.ndarray) -> jax.Array:
    """Neighbouring features as pairs, turned by the angles of their position; float32 inside."""
    length = x_NxTxHxK.shape[1]
    pairs = x_NxTxHxK.astype(jnp.float32).reshape(*x_NxTxHxK.shape[:-1], -1, 2)
    a, b = pairs[..., 0], pairs[..., 1]
    cos, sin = cos[:length, None, :], sin[:length, None, :]
    turned = jnp.stack([a * cos - b * sin, b * cos + a * sin], axis=-1)
    return turned.reshape(x_NxTxHxK.shape).astype(x_NxTxHxK.dtype)


def normalised(x_NxTxHxK: jax.Array) -> jax.Array:
    """x over its Euclidean norm along the last axis."""
    norm = jnp.linalg.norm(x_NxTxHxK, axis=-1, keepdims=True).astype(x_NxTxHxK.dtype)
    return x_NxTxHxK / (norm + EPSILON)


def causal_attention(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Soft-max attention `[N, T, H, K]` without a scale of its own.

    On GPUs in bfloat16 by cuDNN's fused kernel, elsewhere by XLA; soft-max in float32 in either.
    """
    fused = query.dtype == jnp.bfloat16 and jax.default_backend() == "gpu"
    return jax.nn.dot_product_attention(
        query,
        key,
        value,
        scale=1.0,
        is_causal=True,
        implementation="cudnn" if fused else "xla",
    )
