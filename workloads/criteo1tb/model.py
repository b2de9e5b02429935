"""The network of the Criteo workload: DLRM (Naumov et al. 2019), small.

A bottom perceptron maps the numbers of a click to a vector, an embedding table each of its
categories; the products of all pairs of these vectors go through a top perceptron. Layers, names,
initial values and their order are those of the benchmark's reference implementation, v0.6.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from algoperf_jax.nn.dropout import Dropout
from algoperf_jax.workload import BatchNormMode
from workloads.criteo1tb.text import ROWS

_ROWS_AT_A_TIME = 16_384


class Config(NamedTuple):
    """What distinguishes the variants, and the scales.

    Attributes:
      rows: of the embedding table; ids are taken modulo their number.
      features: of an embedding, and of the bottom perceptron's output.
      bottom: widths of the bottom perceptron.
      top: widths of the top perceptron, before the output.
      layer_norms: behind each activation, and on the embeddings.
      embedding_range: initial embeddings are uniform in [0, this); None: 1 / sqrt(rows).
      residual: perceptrons are residual, and embeddings enter the top one as they are, without
        products.
    """

    rows: int = ROWS
    features: int = 128
    bottom: tuple[int, ...] = (512, 256, 128)
    top: tuple[int, ...] = (1024, 1024, 512, 256)
    layer_norms: bool = False
    embedding_range: float | None = None
    residual: bool = False


class DLRM(nn.Module):
    """From numbers and categories to the logit of a click."""

    config: Config

    @nn.compact
    def __call__(
        self,
        inputs: Mapping[str, jax.Array],
        *,
        train: bool,
        dropout_rate: float | jax.Array,
        batch_norm: BatchNormMode,
    ) -> jax.Array:
        """Computes logits.

        Args:
          inputs: `numbers` float32 `[n, 13]`, `rows` int32 `[n, 26]`.
          train: whether dropout is active.
          dropout_rate: of the last hidden layer.
          batch_norm: has no bearing, there are none.

        Returns:
          float32 `[n]`.
        """
        del batch_norm
        config, layers = self.config, _Layers(self.config)
        x = inputs["numbers"]
        for width in config.bottom:
            x = layers.hidden(x, width, nn.initializers.glorot_uniform(), residual=config.residual)
        table = self.param("embedding_table", _uniform(config))
        embeddings = layers.normed(table[inputs["rows"] % config.rows])
        if config.residual:
            x = jnp.concatenate([x, embeddings.reshape(len(x), -1)], axis=-1)
        else:
            vectors = jnp.concatenate([x[:, None], embeddings], axis=1)
            x = jnp.concatenate([x, products_of_pairs(vectors)], axis=-1)
        *first, last = config.top
        for width in first:
            x = layers.hidden(x, width, _normal, residual=config.residual)
        dropped = layers.hidden(x, last, _normal, residual=False)
        dropped = Dropout()(dropped, dropout_rate, deterministic=not train)
        x = x + dropped if config.residual else dropped
        return layers.dense(x, 1, _normal)[:, 0]


class _Layers:
    """Layers of one network, numbered through as they come."""

    def __init__(self, config: Config):
        self._norms = config.layer_norms

    def dense(
        self, x: jax.Array, width: int, kernel_init: nn.initializers.Initializer
    ) -> jax.Array:
        bias_init = nn.initializers.normal(math.sqrt(1 / width))
        return nn.Dense(width, kernel_init=kernel_init, bias_init=bias_init)(x)

    def hidden(
        self, x: jax.Array, width: int, kernel_init: nn.initializers.Initializer, *, residual: bool
    ) -> jax.Array:
        y = self.normed(nn.relu(self.dense(x, width, kernel_init)))
        return x + y if residual and x.shape == y.shape else y

    def normed(self, x: jax.Array) -> jax.Array:
        return nn.LayerNorm(epsilon=1e-6)(x) if self._norms else x


def products_of_pairs(vectors: jax.Array) -> jax.Array:
    """Inner products of all pairs, each vector's with itself among them.

    Args:
      vectors: float32 `[n, k, features]`.

    Returns:
      float32 `[n, k (k + 1) / 2]`: of the first vector with all, of the second with all from itself
      on, and so on.
    """
    gram = jnp.einsum("nid,njd->nij", vectors, vectors)
    above = np.flatnonzero(np.triu(np.ones(gram.shape[1:], bool)))
    return gram.reshape(len(gram), -1)[:, above]


def _normal(key: jax.Array, shape: tuple[int, int], dtype: jnp.dtype = jnp.float32) -> jax.Array:
    """Initial kernels of the top perceptron: Glorot's variance, and no value cut off."""
    return math.sqrt(2 / sum(shape)) * jax.random.normal(key, shape, dtype)


def _uniform(config: Config) -> nn.initializers.Initializer:
    """The initial embedding table, drawn some rows at a time.

    Random bits of all of it at once would need room for a second table.
    """
    rows = math.gcd(config.rows, _ROWS_AT_A_TIME)
    top = config.embedding_range or 1 / math.sqrt(config.rows)

    def init(key: jax.Array) -> jax.Array:
        def block(i: jax.Array) -> jax.Array:
            return jax.random.uniform(
                jax.random.fold_in(key, i), (rows, config.features), maxval=top
            )

        blocks = jax.lax.map(block, jnp.arange(config.rows // rows))
        return blocks.reshape(config.rows, config.features)

    return init
