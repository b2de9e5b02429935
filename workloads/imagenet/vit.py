"""The vision transformer of the ImageNet workload.

ViT-S/16 (Dosovitskiy et al. 2021, arXiv:2010.11929) in its plain form (Beyer et al. 2022,
arXiv:2205.01580): fixed sine and cosine position embedding, no class token, mean over the tokens.

Axis letters in names of arrays:
  N  images of the batch
  H, W  height and width, of the images or of the grid of patches
  C  channels of the images
  L  tokens, one per patch, row by row
  D  features of a token
  F  features within an MLP
  Q  queries of an attention: the tokens, or the one probe
  A  attention heads
  E  features of a head
"""

import functools
from typing import Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from algoperf_jax.nn.dropout import Dropout
from algoperf_jax.nn.joined_axes import over_joined_axes
from algoperf_jax.workload import BatchNormMode

LAYER_NORM_EPSILON = 1e-6
LONGEST_PERIOD = 10_000.0  # of the position embedding, over 2 pi and in patches

Norm = Literal["pre", "post"]
Pooling = Literal["mean", "attention"]


def position_embedding(height: int, width: int, features: int) -> np.ndarray:
    """Computes the fixed position embedding of a grid of patches.

    A quarter of the features each are sines and cosines of the column, then of the row, with
    frequencies that fall geometrically from 1 to 1 / 10,000.

    Args:
      height, width: rows and columns of the grid.
      features: width of a token; a multiple of 4, at least 8.

    Returns:
      float32 `[height * width, features]`, row by row.

    Raises:
      ValueError: `features` cannot be divided so.
    """
    if features % 4 or features < 8:
        raise ValueError(
            "The width of a vision transformer must be a multiple of 4 and at least 8, for sines "
            f"and cosines of rows and columns; got {features}."
        )
    quarter = features // 4
    frequencies = LONGEST_PERIOD ** -(np.arange(quarter) / (quarter - 1))
    row, column = np.divmod(np.arange(height * width), width)
    by_column, by_row = np.outer(column, frequencies), np.outer(row, frequencies)
    waves = [np.sin(by_column), np.cos(by_column), np.sin(by_row), np.cos(by_row)]
    return np.concatenate(waves, axis=1).astype(np.float32)


def _layer_norm(name: str) -> nn.LayerNorm:
    return nn.LayerNorm(epsilon=LAYER_NORM_EPSILON, name=name)


class Attention(nn.Module):
    """Scaled dot-product attention with several heads, without mask and without dropout.

    Parameter names and shapes are those of flax's layer of the same purpose.

    Attributes:
      num_heads: number of heads, which share the features.
    """

    num_heads: int

    @nn.compact
    def __call__(self, x_NxQxD: jax.Array, tokens_NxLxD: jax.Array) -> jax.Array:
        """Returns float32 `[N, Q, D]`: what each of Q queries finds among the tokens."""
        features = x_NxQxD.shape[-1]
        size = features // self.num_heads
        project = functools.partial(
            nn.DenseGeneral,
            (self.num_heads, size),
            kernel_init=nn.initializers.xavier_uniform(),
        )
        q_NxQxAxE = over_joined_axes(project(name="query"), x_NxQxD) / np.sqrt(
            size, dtype=np.float32
        )
        k_NxLxAxE = over_joined_axes(project(name="key"), tokens_NxLxD)
        v_NxLxAxE = over_joined_axes(project(name="value"), tokens_NxLxD)
        scores_NxAxQxL = jnp.einsum("nqae,nlae->naql", q_NxQxAxE, k_NxLxAxE)
        shares_NxAxQxL = jax.nn.softmax(scores_NxAxQxL)
        found_NxQxAxE = jnp.einsum("naql,nlae->nqae", shares_NxAxQxL, v_NxLxAxE)
        out = nn.DenseGeneral(
            features, axis=(-2, -1), kernel_init=nn.initializers.xavier_uniform(), name="out"
        )
        y = out(found_NxQxAxE.reshape(-1, *found_NxQxAxE.shape[2:]))
        return y.reshape(x_NxQxD.shape)


class MlpBlock(nn.Module):
    """Two dense layers with a GELU (tanh approximation) between them.

    Attributes:
      features: width of the layer in the middle.
      gated: whether its output is multiplied by a gate, a third dense layer of that very output.
    """

    features: int
    gated: bool = False

    @nn.compact
    def __call__(
        self, x_NxLxD: jax.Array, *, train: bool, dropout_rate: float | jax.Array
    ) -> jax.Array:
        """Returns float32 `[N, L, D]`."""

        def dense(number, features):
            return nn.Dense(
                features,
                kernel_init=nn.initializers.xavier_uniform(),
                bias_init=nn.initializers.normal(1e-6),
                name=f"Dense_{number}",
            )

        h_NxLxF = nn.gelu(over_joined_axes(dense(0, self.features), x_NxLxD), approximate=True)
        if self.gated:
            h_NxLxF = h_NxLxF * over_joined_axes(dense(1, self.features), h_NxLxF)
        h_NxLxF = Dropout()(h_NxLxF, dropout_rate, deterministic=not train)
        return over_joined_axes(dense(1 + self.gated, x_NxLxD.shape[-1]), h_NxLxF)


class EncoderBlock(nn.Module):
    """Self-attention, then an MLP, each with a residual connection and a layer norm.

    Attributes: those of `ViT`.
    """

    mlp_dim: int
    num_heads: int
    gated_mlp: bool
    norm: Norm

    @nn.compact
    def __call__(
        self, x_NxLxD: jax.Array, *, train: bool, dropout_rate: float | jax.Array
    ) -> jax.Array:
        """Returns float32 `[N, L, D]`."""
        attention = Attention(self.num_heads, name="MultiHeadDotProductAttention_1")
        mlp = MlpBlock(self.mlp_dim, self.gated_mlp, name="MlpBlock_3")

        def drop(y_NxLxD):
            return Dropout()(y_NxLxD, dropout_rate, deterministic=not train)

        def with_mlp(y_NxLxD):
            return drop(mlp(y_NxLxD, train=train, dropout_rate=dropout_rate))

        norm_0, norm_2 = _layer_norm("LayerNorm_0"), _layer_norm("LayerNorm_2")
        if self.norm == "post":
            x_NxLxD = norm_0(x_NxLxD + drop(attention(x_NxLxD, x_NxLxD)))
            return norm_2(x_NxLxD + with_mlp(x_NxLxD))
        y_NxLxD = norm_0(x_NxLxD)
        x_NxLxD = x_NxLxD + drop(attention(y_NxLxD, y_NxLxD))
        return x_NxLxD + with_mlp(norm_2(x_NxLxD))


class Encoder(nn.Module):
    """The encoder blocks, and a final layer norm where the norm is "pre".

    Attributes: those of `ViT`.
    """

    depth: int
    mlp_dim: int
    num_heads: int
    gated_mlp: bool
    norm: Norm

    @nn.compact
    def __call__(
        self, x_NxLxD: jax.Array, *, train: bool, dropout_rate: float | jax.Array
    ) -> jax.Array:
        """Returns float32 `[N, L, D]`."""
        for number in range(self.depth):
            block = EncoderBlock(
                self.mlp_dim,
                self.num_heads,
                self.gated_mlp,
                self.norm,
                name=f"encoderblock_{number}",
            )
            x_NxLxD = block(x_NxLxD, train=train, dropout_rate=dropout_rate)
        return _layer_norm("encoder_layernorm")(x_NxLxD) if self.norm == "pre" else x_NxLxD


class MAPHead(nn.Module):
    """Pooling by attention: a learned probe asks all tokens (Zhai et al. 2022, arXiv:2106.04560).

    There is no dropout in it.

    Attributes:
      mlp_dim, num_heads: of its MLP and its attention.
    """

    mlp_dim: int
    num_heads: int

    @nn.compact
    def __call__(self, x_NxLxD: jax.Array) -> jax.Array:
        """Returns float32 `[N, D]`."""
        num_images, _, features = x_NxLxD.shape
        probe = self.param("probe", nn.initializers.xavier_uniform(), (1, 1, features))
        probe_Nx1xD = jnp.broadcast_to(probe, (num_images, 1, features))
        attention = Attention(self.num_heads, name="MultiHeadDotProductAttention_0")
        x_Nx1xD = attention(probe_Nx1xD, x_NxLxD)
        mlp = MlpBlock(self.mlp_dim, name="MlpBlock_0")
        y_Nx1xD = mlp(_layer_norm("LayerNorm_0")(x_Nx1xD), train=False, dropout_rate=0.0)
        return (x_Nx1xD + y_Nx1xD)[:, 0]


class ViT(nn.Module):
    """A vision transformer.

    Parameter names and shapes are those of the MLCommons reference implementation v0.6.

    Attributes:
      width: features D of a token; a multiple of 4 and of `num_heads`.
      depth: number of encoder blocks.
      mlp_dim: width of the layer in the middle of each MLP.
      num_heads: heads of each attention.
      patch_size: side of the square patches, in pixels; divides height and width.
      num_classes: number of logits.
      gated_mlp: whether the encoder's MLPs have a gate (Shazeer 2020, arXiv:2002.05202, but the
        gate is computed from the activated hidden layer).
      norm: "pre" normalises what goes into attention and MLP, "post" the sums behind them.
      pooling: "mean" over the tokens, or "attention" (`MAPHead`).
    """

    width: int = 384
    depth: int = 12
    mlp_dim: int = 1536
    num_heads: int = 6
    patch_size: int = 16
    num_classes: int = 1000
    gated_mlp: bool = False
    norm: Norm = "pre"
    pooling: Pooling = "mean"

    @nn.compact
    def __call__(
        self,
        images_NxHxWxC: jax.Array,
        *,
        train: bool,
        dropout_rate: float | jax.Array,
        batch_norm: BatchNormMode = "running",
    ) -> jax.Array:
        """Computes the logits of images.

        Args:
          images_NxHxWxC: float32 `[N, H, W, 3]`, normalised.
          train: whether dropout is on; if so, the random stream "dropout" is needed, unless the
            rate is the Python number 0.
          dropout_rate: scalar, may be traced; one rate for all places.
          batch_norm: without effect, there is none in this model.

        Returns:
          float32 `[N, num_classes]`.
        """
        del batch_norm
        self._check(images_NxHxWxC.shape)
        side = self.patch_size
        patches = nn.Conv(
            self.width, (side, side), (side, side), padding="VALID", name="conv_patch_extract"
        )
        x_NxHxWxD = patches(images_NxHxWxC)
        num_images, height, width, features = x_NxHxWxD.shape
        x_NxLxD = x_NxHxWxD.reshape(num_images, height * width, features)
        x_NxLxD = x_NxLxD + position_embedding(height, width, features)
        x_NxLxD = Dropout()(x_NxLxD, dropout_rate, deterministic=not train)
        encoder = Encoder(
            self.depth, self.mlp_dim, self.num_heads, self.gated_mlp, self.norm, name="Transformer"
        )
        x_NxLxD = encoder(x_NxLxD, train=train, dropout_rate=dropout_rate)
        if self.pooling == "attention":
            x_NxD = MAPHead(self.mlp_dim, self.num_heads, name="MAPHead_0")(x_NxLxD)
        else:
            x_NxD = x_NxLxD.mean(axis=1)
        x_NxD = nn.tanh(nn.Dense(self.width, name="pre_logits")(x_NxD))
        head = nn.Dense(self.num_classes, kernel_init=nn.initializers.zeros, name="head")
        return head(x_NxD)

    def _check(self, shape: tuple[int, ...]) -> None:
        if self.width % self.num_heads:
            raise ValueError(
                f"The width must be a multiple of the number of heads; got width {self.width} and "
                f"{self.num_heads} heads."
            )
        if shape[1] % self.patch_size or shape[2] % self.patch_size:
            raise ValueError(
                f"Images of {shape[1]} x {shape[2]} pixels cannot be cut into patches of "
                f"{self.patch_size} x {self.patch_size}."
            )
        for attribute, known in (("norm", get_args(Norm)), ("pooling", get_args(Pooling))):
            if getattr(self, attribute) not in known:
                raise ValueError(
                    f"Unknown {attribute} {getattr(self, attribute)!r}; known are "
                    f"{', '.join(known)}."
                )
