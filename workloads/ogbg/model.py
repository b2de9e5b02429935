"""The graph network of the OGBG workload.

Interaction-network style message passing (Battaglia et al. 2018, arXiv:1806.01261) with edge, node
and global features, untied weights in every step, and a linear decoder on the globals.

Axis letters in names of arrays:
  N  nodes of the padded batch
  E  directed edges of the padded batch
  G  graphs of the padded batch, padding graphs included
  D  features of a node, an edge or a graph (width depends on the layer)
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from algoperf_jax.nn.activations import activation
from algoperf_jax.nn.dropout import Dropout
from algoperf_jax.workload import BatchNormMode


class Block(NamedTuple):
    """Some of the input features of a `Dense` layer.

    Attributes:
      values: float32 `[M, width]`; None stands for zeros, which need not be computed with.
      width: number of features.
      rows: int32 `[rows of the output]`, the row of `values` that each output row reads; None when
        row i reads row i.
      rows_are_sorted: whether `rows` never decreases.
    """

    values: jax.Array | None
    width: int
    rows: jax.Array | None = None
    rows_are_sorted: bool = False


def _block(values: jax.Array, rows: jax.Array | None = None, *, is_sorted: bool = False) -> Block:
    return Block(values, values.shape[-1], rows, is_sorted)


class Dense(nn.Module):
    """A dense layer on the concatenation of blocks that is never written out.

    `concatenate([x, y[rows]]) @ kernel` equals `x @ kernel[:k] + (y @ kernel[k:])[rows]`. The right
    side multiplies a node's features once and not once per edge, and needs no array as wide as all
    blocks together. The kernel stays one parameter `[sum of widths, features]`.

    Attributes:
      features: width of the output.
    """

    features: int

    @nn.compact
    def __call__(self, blocks: Sequence[Block]) -> jax.Array:
        """Returns float32 `[rows, features]`; at least one block must have values."""
        widths = [block.width for block in blocks]
        shape = (sum(widths), self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        y = self.param("bias", nn.initializers.zeros, (self.features,))
        row_blocks = jnp.split(kernel, np.cumsum(widths)[:-1])
        for block, kernel_rows in zip(blocks, row_blocks, strict=True):
            if block.values is None:
                continue
            product = block.values @ kernel_rows
            if block.rows is not None:
                product = product.at[block.rows].get(
                    mode="promise_in_bounds", indices_are_sorted=block.rows_are_sorted
                )
            y = y + product
        return y


def _graph_of_each(counts_G: jax.Array, total: int) -> jax.Array:
    """Index of the graph that each of `total` consecutive nodes or edges belongs to, int32."""
    indices_G = jnp.arange(counts_G.shape[0], dtype=jnp.int32)
    return jnp.repeat(indices_G, counts_G, total_repeat_length=total)


class GraphNetwork(nn.Module):
    """Message passing on molecules; 128 logits per molecule.

    In every step an edge is updated from itself, its two ends and its graph; then a node from
    itself, the sums of its outgoing and incoming edges and its graph; then a graph from the sums of
    its nodes and edges and from itself. Parameter names and shapes are those of the MLCommons
    reference implementation v0.6: `Dense_k` and `LayerNorm_k` count through steps, then edge, node
    and global, then hidden layers; the last `Dense_k` is the decoder.

    Attributes:
      latent_dim: width of the node and edge embeddings.
      hidden_dims: widths of the layers of each update.
      num_message_passing_steps: number of steps, each with weights of its own.
      num_outputs: number of tasks; also the width of the initial globals.
      activation: "relu", "gelu" (tanh approximation) or "silu".
    """

    latent_dim: int = 256
    hidden_dims: tuple[int, ...] = (256,)
    num_message_passing_steps: int = 5
    num_outputs: int = 128
    activation: str = "relu"

    @nn.compact
    def __call__(
        self,
        batch: Mapping[str, jax.Array],
        *,
        train: bool,
        dropout_rate: float | jax.Array,
        batch_norm: BatchNormMode = "running",
    ) -> jax.Array:
        """Computes the logits of every graph of a padded batch.

        Args:
          batch: `nodes` `[N, 9]` and `edges` `[E, 3]` of any real dtype (category numbers, used as
            numbers), `senders` and `receivers` int32 `[E]` in [0, N), `n_node` and `n_edge` int32
            `[G]` with sums N and E. Other keys are ignored. Nodes and edges of a graph are
            contiguous and in the order of the graphs.
          train: whether dropout is on; if so, the random stream "dropout" is needed.
          dropout_rate: scalar, may be traced.
          batch_norm: without effect, there is none in this model.

        Returns:
          float32 `[G, num_outputs]`, rows of padding graphs included.
        """
        del batch_norm
        senders_E, receivers_E = batch["senders"], batch["receivers"]
        num_nodes, num_edges = batch["nodes"].shape[0], batch["edges"].shape[0]
        num_graphs = batch["n_node"].shape[0]
        graph_N = _graph_of_each(batch["n_node"], num_nodes)
        graph_E = _graph_of_each(batch["n_edge"], num_edges)

        nodes_NxD = nn.Dense(self.latent_dim, name="node_embedding")(_float(batch["nodes"]))
        edges_ExD = nn.Dense(self.latent_dim, name="edge_embedding")(_float(batch["edges"]))
        # The initial globals are zero: their kernel rows exist but have nothing to multiply.
        globals_GxD = None

        def global_block(graph=None):
            if globals_GxD is None:
                return Block(None, self.num_outputs)
            return _block(globals_GxD, graph, is_sorted=graph is not None)

        def update(*blocks):
            return self._mlp(blocks, train=train, dropout_rate=dropout_rate)

        for _ in range(self.num_message_passing_steps):
            edges_ExD = update(
                _block(edges_ExD),
                _block(nodes_NxD, senders_E),
                _block(nodes_NxD, receivers_E),
                global_block(graph_E),
            )
            nodes_NxD = update(
                _block(nodes_NxD),
                _block(jax.ops.segment_sum(edges_ExD, senders_E, num_nodes)),
                _block(jax.ops.segment_sum(edges_ExD, receivers_E, num_nodes)),
                global_block(graph_N),
            )
            globals_GxD = update(
                _block(_sum_per_graph(nodes_NxD, graph_N, num_graphs)),
                _block(_sum_per_graph(edges_ExD, graph_E, num_graphs)),
                global_block(),
            )
        return Dense(self.num_outputs)([_block(globals_GxD)])

    def _mlp(
        self, blocks: Sequence[Block], *, train: bool, dropout_rate: float | jax.Array
    ) -> jax.Array:
        for width in self.hidden_dims:
            x = Dense(width)(blocks)
            x = nn.LayerNorm(epsilon=1e-6)(x)
            x = activation(self.activation)(x)
            x = Dropout()(x, dropout_rate, deterministic=not train)
            blocks = [_block(x)]
        return x


def _float(x: jax.Array) -> jax.Array:
    return jnp.asarray(x, jnp.float32)


def _sum_per_graph(x_MxD: jax.Array, graph_M: jax.Array, num_graphs: int) -> jax.Array:
    return jax.ops.segment_sum(x_MxD, graph_M, num_graphs, indices_are_sorted=True)
