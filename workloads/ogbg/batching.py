"""Dynamic batching of graphs: as many consecutive graphs as fit fixed budgets of nodes and edges.

The benchmark's batches have static shapes although graphs differ in size. A shard, one replica's
part of a batch, has a budget of graphs, nodes and directed edges. Graphs are taken in stream order
until the next one would exceed a budget; the rest is padding (Godwin et al., "Jraph", 2020). The
padding of a shard consists of one graph that owns all padding nodes and edges, and of graphs of
size zero. All functions work on whole arrays; the cost per graph is that of copying it.
"""

from typing import NamedTuple

import numpy as np

from algoperf_jax.data.packing import Packing
from algoperf_jax.data.ragged import places
from algoperf_jax.errors import DataError
from workloads.ogbg.molecules import EDGE_FEATURES, MISSING, NODE_FEATURES, TASKS, Molecules


class AverageGraph(NamedTuple):
    """Atoms and directed edges of an average molecule, which set the budgets.

    The defaults are those of ogbg-molpcba.
    """

    nodes: int = 26
    edges: int = 56


MOLPCBA_AVERAGE = AverageGraph()


class Budget(NamedTuple):
    """The most that the real graphs of one shard may take together.

    The padded arrays have `nodes + 1` nodes, `edges` directed edges and `graphs + 1` graphs, so
    there is always a padding graph with a node.
    """

    nodes: int
    edges: int
    graphs: int


def shard_budget(graphs_per_shard: int, average: AverageGraph = MOLPCBA_AVERAGE) -> Budget:
    """Returns the budget of a shard that is meant for `graphs_per_shard` average graphs."""
    nodes, edges = average
    return Budget(nodes * graphs_per_shard, edges * graphs_per_shard, graphs_per_shard)


def shard_packing(molecules: Molecules, budget: Budget) -> Packing:
    """Returns how molecules fill shards of that budget.

    Raises:
      DataError: a molecule exceeds the budget all by itself; names the first.
    """
    sizes = (molecules.num_nodes, molecules.num_edges, np.ones(len(molecules), np.int64))
    packing = Packing(np.stack(sizes, axis=1), room=budget)
    record = packing.first_too_large()
    if record is not None:
        raise DataError(
            f"split {molecules.split}, record {record}: {molecules.num_nodes[record]} nodes and "
            f"{molecules.num_edges[record]} directed edges do not fit a shard of {budget.graphs} "
            f"graphs, which has room for {budget.nodes} nodes and {budget.edges} edges; use a "
            "larger batch size"
        )
    return packing


def build_shard(molecules: Molecules, graphs: np.ndarray, budget: Budget) -> dict[str, np.ndarray]:
    """Returns the padded arrays of one shard.

    Real graphs come first. The directed edges of a molecule are its bonds in one direction, then
    in the other. Padding edges are loops on the first padding node.

    Args:
      molecules: the split.
      graphs: int64 `[at most budget.graphs]`, indices of molecules that fit the budget; may be
        empty.
      budget: sets the shapes; n, e, b are its nodes, edges and graphs.

    Returns:
      `nodes` uint8 `[n + 1, 9]`, `edges` uint8 `[e, 3]`; `senders` and `receivers` int32 `[e]`,
      nodes of this shard; `n_node` and `n_edge` int32 `[b + 1]`, sizes of the graphs; `labels`
      float32 `[b + 1, 128]`, 0 where missing; `weights` float32 `[b + 1, 128]`, 1 where a real
      graph has a label, else 0.
    """
    num_nodes, num_edges = molecules.num_nodes[graphs], molecules.num_edges[graphs]
    real, total_nodes, total_edges = len(graphs), int(num_nodes.sum()), int(num_edges.sum())

    nodes = np.zeros((budget.nodes + 1, NODE_FEATURES), np.uint8)
    node_rows = np.repeat(molecules.node_offsets[graphs], num_nodes) + places(num_nodes)
    nodes[:total_nodes] = molecules.node_feat[node_rows]

    num_bonds = num_edges // 2
    place = places(num_edges)
    bonds_here = np.repeat(num_bonds, num_edges)
    backward = place >= bonds_here
    bond = np.repeat(molecules.edge_offsets[graphs], num_edges) + place - bonds_here * backward
    edges = np.zeros((budget.edges, EDGE_FEATURES), np.uint8)
    edges[:total_edges] = molecules.edge_feat[bond]

    first_node = np.repeat(np.cumsum(num_nodes) - num_nodes, num_edges)
    a, b = molecules.edge_index[bond].T
    senders = np.full(budget.edges, total_nodes, np.int32)
    receivers = np.full(budget.edges, total_nodes, np.int32)
    senders[:total_edges] = np.where(backward, b, a) + first_node
    receivers[:total_edges] = np.where(backward, a, b) + first_node

    labels = np.zeros((budget.graphs + 1, TASKS), np.float32)
    weights = np.zeros((budget.graphs + 1, TASKS), np.float32)
    found = molecules.labels[graphs]
    labels[:real] = found == 1
    weights[:real] = found != MISSING
    return {
        "nodes": nodes,
        "edges": edges,
        "senders": senders,
        "receivers": receivers,
        "n_node": _sizes(num_nodes, budget.nodes + 1, budget.graphs + 1),
        "n_edge": _sizes(num_edges, budget.edges, budget.graphs + 1),
        "labels": labels,
        "weights": weights,
    }


def _sizes(real: np.ndarray, total: int, graphs: int) -> np.ndarray:
    """Returns the graphs' sizes, int32 `[graphs]`; the first padding graph owns the padding."""
    sizes = np.zeros(graphs, np.int32)
    sizes[: len(real)] = real
    sizes[len(real)] = total - real.sum()
    return sizes
