"""Dynamic batching against a slow loop that follows the benchmark's description graph by graph."""

import dataclasses

import numpy as np
import pytest

from algoperf_jax.data.order import OnePass
from algoperf_jax.data.packing import packed_plan
from algoperf_jax.errors import DataError
from workloads.ogbg.batching import (
    AverageGraph,
    build_shard,
    shard_budget,
    shard_packing,
)
from workloads.ogbg.random_molecules import random_molecules


@dataclasses.dataclass
class Graph:
    nodes: list
    edges: list
    senders: list
    receivers: list
    labels: list


def graph_of(molecules, i):
    """One record as one graph: each bond becomes two edges, all forward ones first."""
    atoms = slice(molecules.node_offsets[i], molecules.node_offsets[i + 1])
    bonds = slice(molecules.edge_offsets[i], molecules.edge_offsets[i + 1])
    a = [int(pair[0]) for pair in molecules.edge_index[bonds]]
    b = [int(pair[1]) for pair in molecules.edge_index[bonds]]
    features = molecules.edge_feat[bonds].tolist()
    labels = [None if label == -1 else int(label) for label in molecules.labels[i]]
    nodes = molecules.node_feat[atoms].tolist()
    return Graph(nodes, features + features, a + b, b + a, labels)


def shards_by_loop(molecules, b):
    """Yields lists of molecule indices: the running list is closed when the next does not fit."""
    running, nodes, edges = [], 0, 0
    for i in range(len(molecules)):
        graph = graph_of(molecules, i)
        more_nodes, more_edges = nodes + len(graph.nodes), edges + len(graph.edges)
        if len(running) + 1 <= b and more_nodes <= 26 * b and more_edges <= 56 * b:
            running, nodes, edges = [*running, i], more_nodes, more_edges
        else:
            yield running
            running, nodes, edges = [i], len(graph.nodes), len(graph.edges)
    yield running


def padded_by_loop(molecules, indices, b):
    nodes, edges, senders, receivers, n_node, n_edge, labels, weights = ([] for _ in range(8))
    for i in indices:
        graph = graph_of(molecules, i)
        senders += [sender + len(nodes) for sender in graph.senders]
        receivers += [receiver + len(nodes) for receiver in graph.receivers]
        nodes, edges = nodes + graph.nodes, edges + graph.edges
        n_node.append(len(graph.nodes))
        n_edge.append(len(graph.edges))
        labels.append([label or 0 for label in graph.labels])
        weights.append([0 if label is None else 1 for label in graph.labels])
    first_padding_node = len(nodes)
    n_node.append(26 * b + 1 - len(nodes))
    n_edge.append(56 * b - len(edges))
    while len(nodes) < 26 * b + 1:
        nodes.append([0] * 9)
    while len(edges) < 56 * b:
        edges.append([0] * 3)
        senders.append(first_padding_node)
        receivers.append(first_padding_node)
    while len(n_node) < b + 1:
        n_node.append(0)
        n_edge.append(0)
    while len(labels) < b + 1:
        labels.append([0] * 128)
        weights.append([0] * 128)
    return {
        "nodes": np.array(nodes, np.uint8),
        "edges": np.array(edges, np.uint8),
        "senders": np.array(senders, np.int32),
        "receivers": np.array(receivers, np.int32),
        "n_node": np.array(n_node, np.int32),
        "n_edge": np.array(n_edge, np.int32),
        "labels": np.array(labels, np.float32),
        "weights": np.array(weights, np.float32),
    }


def shards(molecules, budget):
    plan = packed_plan(OnePass(np.arange(len(molecules))), shard_packing(molecules, budget), 1, [0])
    for _, packs in plan(0):
        yield packs.items[0].tolist()


# Small molecules fill the graph budget, large ones the node budget.
@pytest.mark.parametrize("largest", [10, 51, 80])
def test_shards_hold_the_graphs_that_the_slow_loop_puts_in_them(largest):
    molecules = random_molecules(300, seed=largest, largest=largest)
    assert list(shards(molecules, shard_budget(8))) == list(shards_by_loop(molecules, 8))


def test_edges_can_be_what_closes_a_shard():
    molecules = random_molecules(50, seed=0, largest=4)
    budget = shard_budget(8, AverageGraph(nodes=26, edges=2))
    sizes = [len(indices) for indices in shards(molecules, budget)]
    edge_ends = np.cumsum(molecules.num_edges)
    start = 0
    for size in sizes[:-1]:
        before = edge_ends[start - 1] if start else 0
        assert edge_ends[start + size - 1] - before <= 16 < edge_ends[start + size] - before
        start += size
    assert max(sizes) < 8


def test_shard_arrays_equal_those_of_the_slow_loop():
    molecules = random_molecules(60, seed=3)
    budget = shard_budget(8)
    for indices in shards_by_loop(molecules, 8):
        expected = padded_by_loop(molecules, indices, 8)
        found = build_shard(molecules, np.array(indices), budget)
        assert found.keys() == expected.keys()
        for key in expected:
            assert found[key].dtype == expected[key].dtype
            np.testing.assert_array_equal(found[key], expected[key], err_msg=key)


def test_graphs_are_taken_in_the_order_asked_for():
    molecules = random_molecules(20, seed=4, largest=20)
    indices = np.array([17, 3, 3, 9])
    expected = padded_by_loop(molecules, indices, 8)
    found = build_shard(molecules, indices, shard_budget(8))
    for key in expected:
        np.testing.assert_array_equal(found[key], expected[key], err_msg=key)


def test_empty_shard_is_one_padding_graph_that_owns_everything():
    molecules = random_molecules(5, seed=0)
    shard = build_shard(molecules, np.array([], np.int64), shard_budget(2))
    assert shard["n_node"].tolist() == [53, 0, 0]
    assert shard["n_edge"].tolist() == [112, 0, 0]
    assert not any(shard[key].any() for key in shard if key not in ("n_node", "n_edge"))


def test_budget_of_4096_graphs_has_the_benchmark_shapes():
    # Eight shards of the benchmark's evaluation: 851,976 nodes, 1,835,008 edges, 32,776 graphs.
    budget = shard_budget(4096)
    assert 8 * (budget.nodes + 1) == 851_976
    assert 8 * budget.edges == 1_835_008
    assert 8 * (budget.graphs + 1) == 32_776


def test_graph_larger_than_a_budget_is_an_error_with_its_record_and_sizes():
    molecules = random_molecules(30, seed=1, largest=25, split="validation")
    shard_packing(molecules, shard_budget(1, AverageGraph(nodes=25)))
    record = int(np.argmax(molecules.num_nodes > 20))
    message = (
        f"split validation, record {record}: {molecules.num_nodes[record]} nodes and "
        f"{molecules.num_edges[record]} directed edges do not fit a shard of 1 graphs, which has "
        "room for 20 nodes and 56 edges"
    )
    with pytest.raises(DataError, match=message):
        shard_packing(molecules, shard_budget(1, AverageGraph(nodes=20)))
