"""Batches of training and evaluation: order, resumption, and what each graph's row says."""

import importlib
import json
import shutil

import numpy as np
import pytest

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import DataError
from workloads.ogbg import sample
from workloads.ogbg.batching import AverageGraph
from workloads.ogbg.dataset import Batching, OgbgData, dataset, reference_subset_size
from workloads.ogbg.random_molecules import random_molecules

# The package's attribute `dataset` may be the function of that name.
ogbg_dataset = importlib.import_module("workloads.ogbg.dataset")

BATCH_SIZE, REPLICAS = 32, 4
BATCHING = Batching()


def indices_in(batch):
    """The molecules of a batch, which carry their indices in the first atom's codes."""
    found = []
    for nodes, n_node, weights in zip(
        batch["nodes"], batch["n_node"], batch["weights"], strict=True
    ):
        real = np.flatnonzero(weights.any(axis=1))
        first = nodes[(np.cumsum(n_node) - n_node)[real]]
        found += (256 * first[:, 0].astype(int) + first[:, 1]).tolist()
    return found


def assert_equal(batch, other):
    assert batch.keys() == other.keys()
    for key in batch:
        np.testing.assert_array_equal(batch[key], other[key], err_msg=key)


def halves_joined(batches_of_slice):
    """Builds replicas 0-1 and 2-3 apart and joins them along the replica axis."""
    low, high = batches_of_slice(range(2)), batches_of_slice(range(2, 4))
    for a, b in zip(low, high, strict=False):
        yield {key: np.concatenate([a[key], b[key]]) for key in a}


@pytest.fixture(scope="module")
def molecules():
    return random_molecules(500, seed=0)


def data_of(molecules):
    """Molecules in place of files; they are all splits."""
    return OgbgData(lambda split: molecules)


def share_of(local=None, batch_size=BATCH_SIZE, replicas=REPLICAS):
    return BatchShare(batch_size, replicas, range(replicas) if local is None else local)


def train(molecules, seed=7, local=None):
    return dataset("train", data_of(molecules), share_of(local), seed=seed)


def evaluate(molecules, local=None, batching=BATCHING):
    return dataset("test", data_of(molecules), share_of(local), seed=0, batching=batching)


def test_training_batch_has_a_leading_replica_axis(molecules):
    shapes = {key: (value.shape, value.dtype.name) for key, value in next(train(molecules)).items()}
    assert shapes == {
        "nodes": ((4, 209, 9), "uint8"),
        "edges": ((4, 448, 3), "uint8"),
        "senders": ((4, 448), "int32"),
        "receivers": ((4, 448), "int32"),
        "n_node": ((4, 9), "int32"),
        "n_edge": ((4, 9), "int32"),
        "labels": ((4, 9, 128), "float32"),
        "weights": ((4, 9, 128), "float32"),
    }


def test_each_epoch_is_a_permutation_of_its_own_and_epochs_follow_without_a_gap(molecules):
    batches, stream = train(molecules), []
    while len(stream) < 3 * len(molecules):
        stream += indices_in(next(batches))
    epochs = [stream[k * len(molecules) : (k + 1) * len(molecules)] for k in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(len(molecules)))
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != list(range(len(molecules)))


def test_shard_larger_than_the_split_takes_graphs_of_several_epochs():
    molecules = random_molecules(5, seed=1, largest=10)
    share = BatchShare.whole(32, 2)
    batches = dataset("train", data_of(molecules), share, seed=0)
    stream = indices_in(next(batches)) + indices_in(next(batches))
    assert len(stream) == 64
    for epoch in range(12):
        assert sorted(stream[5 * epoch : 5 * epoch + 5]) == [0, 1, 2, 3, 4]


def test_seed_decides_the_order(molecules):
    assert_equal(next(train(molecules, seed=1)), next(train(molecules, seed=1)))
    assert indices_in(next(train(molecules, seed=1))) != indices_in(next(train(molecules, seed=2)))


def test_iterator_goes_on_from_a_stored_state(molecules):
    batches = train(molecules)
    for _ in range(40):  # more than an epoch
        state = json.loads(json.dumps(batches.get_state()))
        expected = next(batches)
        resumed = train(molecules)
        resumed.set_state(state)
        assert_equal(next(resumed), expected)
        assert resumed.get_state() == batches.get_state()
    assert state["position"] > len(molecules)


def test_processes_build_together_what_one_builds_alone(molecules):
    whole = train(molecules)
    halves = halves_joined(lambda part: train(molecules, local=part))
    for _ in range(40):
        assert_equal(next(halves), next(whole))
    halves = list(halves_joined(lambda part: evaluate(molecules, part)))
    for half, batch in zip(halves, evaluate(molecules), strict=True):
        assert_equal(half, batch)


def test_evaluation_sees_every_graph_once_in_stored_order(molecules):
    batches = list(evaluate(molecules))
    assert [i for batch in batches for i in indices_in(batch)] == list(range(len(molecules)))
    assert {batch["nodes"].shape for batch in batches} == {(4, 209, 9)}


def test_labels_and_weights_of_evaluation_are_those_of_the_graphs(molecules):
    rows = [
        (labels, weights)
        for batch in evaluate(molecules)
        for labels, weights in zip(
            batch["labels"].reshape(-1, 128), batch["weights"].reshape(-1, 128), strict=True
        )
        if weights.any()
    ]
    for found, (labels, weights) in zip(molecules.labels, rows, strict=True):
        np.testing.assert_array_equal(weights, found != -1)
        np.testing.assert_array_equal(labels, found == 1)


def test_last_evaluation_batch_is_completed_with_shards_of_padding():
    molecules = random_molecules(10, seed=2, largest=10)
    (batch,) = evaluate(molecules)
    real = batch["weights"].any(axis=2).sum(axis=1)
    assert real.tolist() == [8, 2, 0, 0]
    assert batch["n_node"][3].tolist() == [209, 0, 0, 0, 0, 0, 0, 0, 0]


def test_mark_of_the_reference_subset_is_on_its_graphs_alone(molecules, monkeypatch):
    monkeypatch.setattr(ogbg_dataset, "reference_subset_size", lambda *_: 300)
    for batch in evaluate(molecules):
        real = batch["weights"].any(axis=2)
        marked = batch["in_reference_subset"]
        assert marked.dtype == bool
        assert not marked[~real].any()
        subset = {key: batch[key] for key in ("nodes", "n_node")}
        subset["weights"] = batch["weights"] * marked[:, :, None]
        assert indices_in(subset) == [i for i in indices_in(batch) if i < 300]


def subset_by_loop(molecules, batch_size, shards):
    """Graphs of the complete batches, found one graph at a time."""
    b, closed, running = batch_size // shards, [], []
    for i in range(len(molecules)):
        nodes = molecules.num_nodes[[*running, i]].sum()
        edges = molecules.num_edges[[*running, i]].sum()
        if len(running) < b and nodes <= 26 * b and edges <= 56 * b:
            running.append(i)
        else:
            closed.append(running)
            running = [i]
    closed.append(running)
    steps = min(len(closed) // shards, -(-len(molecules) // batch_size))
    return sum(len(graphs) for graphs in closed[: steps * shards]) or len(molecules)


# Mean sizes below, near and above the budget; the last split does not fill one batch.
@pytest.mark.parametrize(("count", "largest"), [(500, 20), (500, 51), (500, 70), (120, 60)])
def test_reference_subset_is_that_of_a_slow_loop(count, largest):
    molecules = random_molecules(count, seed=largest, largest=largest)
    found = reference_subset_size(molecules, eval_batch_size=128)
    assert found == subset_by_loop(molecules, 128, 8)


def test_reference_drops_the_graphs_behind_its_last_complete_batch():
    molecules = random_molecules(500, seed=51, largest=51)
    assert 256 < reference_subset_size(molecules, eval_batch_size=128) < 500


def test_split_that_does_not_fill_a_reference_batch_counts_as_evaluated():
    assert reference_subset_size(random_molecules(100, seed=0)) == 100


def test_number_of_shards_decides_what_the_reference_evaluates():
    molecules = random_molecules(500, seed=51, largest=51)
    four = Batching(evaluation_shards=4)
    found = reference_subset_size(molecules, four, eval_batch_size=128)
    assert found == subset_by_loop(molecules, 128, 4)
    assert found != reference_subset_size(molecules, eval_batch_size=128)


def test_eval_train_is_a_fixed_random_subset_of_train():
    asked_for = []

    def molecules(split):
        asked_for.append(split)
        return random_molecules(200, seed=0)

    def subset(seed):
        batches = dataset(
            "eval_train",
            OgbgData(molecules),
            share_of(),
            seed=seed,
            batching=Batching(eval_train_examples=90),
        )
        batches = list(batches)
        assert sum(batch["in_reference_subset"].sum() for batch in batches) == 90
        return [i for batch in batches for i in indices_in(batch)]

    assert subset(1) == subset(2)
    assert len(set(subset(1))) == 90
    assert subset(1) != sorted(subset(1))
    assert set(asked_for) == {"train"}


def test_split_is_read_once_from_an_opened_data_set(tmp_path):
    data = ogbg_dataset.open_data(None, tmp_path)
    averages = {"batching": Batching(average=AverageGraph(16, 33))}
    next(dataset("test", data, share_of(batch_size=64), seed=0, **averages))
    for folder in tmp_path.iterdir():
        shutil.rmtree(folder)
    next(dataset("test", data, share_of(batch_size=64), seed=0, **averages))


@pytest.mark.parametrize("split", ["train", "eval_train", "validation"])
def test_molecule_that_fits_no_shard_is_an_error_at_once(molecules, split):
    with pytest.raises(DataError, match="do not fit a shard of 1 graphs"):
        dataset(split, data_of(molecules), share_of(batch_size=4), seed=0)


def test_part_of_the_data_set_is_not_the_data_set(tmp_path):
    # The embedded sample, put where the full data set belongs.
    sample.root(tmp_path / "cache").rename(tmp_path / "ogbg")
    with pytest.raises(DataError, match=r"'train' has 3,908 examples, there should be 350,343"):
        ogbg_dataset.open_data(tmp_path, tmp_path)
