"""Batches of training and evaluation: order, resumption, and what each graph's row says."""

import importlib
import json
import shutil

import numpy as np
import pytest

from algoperf_jax.errors import DataError, UserError
from workloads.ogbg.dataset import TrainBatches, dataset, eval_batches, reference_subset_size
from workloads.ogbg.random_molecules import random_molecules

# The package's attribute `dataset` may be the function of that name.
ogbg_dataset = importlib.import_module("workloads.ogbg.dataset")

BATCH_SIZE, REPLICAS = 32, 4


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


def train(molecules, seed=7, replica_slice=None):
    return TrainBatches(molecules, BATCH_SIZE, REPLICAS, seed, replica_slice)


def evaluate(molecules, replica_slice=None, reference_size=300):
    order = np.arange(len(molecules))
    return eval_batches(molecules, BATCH_SIZE, REPLICAS, replica_slice, order, reference_size)


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
    batches = TrainBatches(molecules, 32, 2, 0)
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
    assert state["epoch"] > 0


def test_processes_build_together_what_one_builds_alone(molecules):
    whole = train(molecules)
    halves = halves_joined(lambda part: train(molecules, replica_slice=part))
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


def test_mark_of_the_reference_subset_is_on_its_graphs_alone(molecules):
    for batch in evaluate(molecules, reference_size=300):
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
    found = reference_subset_size(molecules, eval_batch_size=128, shards=8)
    assert found == subset_by_loop(molecules, 128, 8)


def test_reference_drops_the_graphs_behind_its_last_complete_batch():
    molecules = random_molecules(500, seed=51, largest=51)
    assert 256 < reference_subset_size(molecules, eval_batch_size=128, shards=8) < 500


def test_split_that_does_not_fill_a_reference_batch_counts_as_evaluated():
    assert reference_subset_size(random_molecules(100, seed=0)) == 100


@pytest.fixture
def stored(monkeypatch):
    """Random molecules in place of files; the list of the splits asked for."""
    reads = []

    def load(split, directory):
        reads.append(split)
        return random_molecules(200, seed=len(split), split=split)

    monkeypatch.setattr(ogbg_dataset, "_load", load)
    return reads


def make(split, tmp_path, seed=0, **options):
    return dataset(split, tmp_path, batch_size=BATCH_SIZE, replicas=REPLICAS, seed=seed, **options)


def test_eval_train_is_a_fixed_random_subset_of_train(stored, tmp_path):
    def subset(seed):
        batches = list(make("eval_train", tmp_path, seed, eval_train_examples=90))
        marked = sum(batch["in_reference_subset"].sum() for batch in batches)
        assert marked == 90
        return [i for batch in batches for i in indices_in(batch)]

    assert subset(1) == subset(2)
    assert len(set(subset(1))) == 90
    assert subset(1) != sorted(subset(1))
    assert set(stored) == {"train"}


def test_split_names_choose_the_data_and_the_order(stored, tmp_path):
    for split in ("validation", "test"):
        assert [i for b in make(split, tmp_path) for i in indices_in(b)] == list(range(200))
    assert isinstance(make("train", tmp_path), TrainBatches)
    assert stored == ["validation", "test", "train"]


def test_split_is_read_once_in_a_process(tmp_path):
    source = ogbg_dataset.locate_data(None, tmp_path)
    next(make("test", source))
    shutil.rmtree(source)
    next(make("test", source))


@pytest.mark.parametrize("split", ["train", "eval_train", "validation"])
def test_arguments_that_do_not_go_together_are_errors_at_once(stored, tmp_path, split):
    with pytest.raises(UserError, match="batch size 30 is not a positive multiple of the 4"):
        dataset(split, tmp_path, batch_size=30, replicas=4, seed=0)
    with pytest.raises(UserError, match=r"range\(2, 6\) is not a part of range\(0, 4\)"):
        make(split, tmp_path, replica_slice=range(2, 6))
    with pytest.raises(DataError, match="do not fit a shard of 1 graphs"):
        dataset(split, tmp_path, batch_size=4, replicas=4, seed=0)


def test_data_directory_without_the_data_set_is_an_error_with_the_command(tmp_path):
    with pytest.raises(DataError) as error:
        ogbg_dataset.locate_data(tmp_path, tmp_path)
    assert "ogbg_molpcba-train.tfrecord-00000-of-00008 is missing" in str(error.value)
    assert f"python scripts/prepare_data.py ogbg --data_dir {tmp_path}" in str(error.value)
