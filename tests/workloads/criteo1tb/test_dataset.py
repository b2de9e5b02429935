"""Batches: order, parts of processes, resumption, and every line once."""

import numpy as np
import pytest
from click_logs import LOGS, label_of, lines_of_day, numbers_of

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import UserError
from workloads.criteo1tb.dataset import dataset, example_batch
from workloads.criteo1tb.files import Shard
from workloads.criteo1tb.order import ShardOrder, own_part

TRAINING = [line for day in range(3) for line in lines_of_day(day)]
BATCH_SIZE = 8


def share_of(local=range(2), batch_size=BATCH_SIZE):
    return BatchShare(batch_size, 2, local)


def lines_in(batch, of):
    """The numbers in `of` of a batch's lines, found by their numbers; padding left out."""
    rows = batch["numbers"].reshape(-1, 13)[batch["weights"].ravel() != 0]
    known = np.array([numbers_of(line) for line in of])
    found = []
    for row in rows:
        (index,) = np.flatnonzero(np.abs(known - row).max(axis=1) < 1e-4)
        found.append(int(index))
    return found


def shard_of(line):
    """The day and the shard of a training line, by its number."""
    day = int(np.searchsorted(np.cumsum(LOGS.lines[:3]), line, side="right"))
    start = sum(LOGS.lines[:day])
    return day, (line - start) // LOGS.shard_lines


def test_training_batch_has_a_leading_replica_axis(data):
    batch = next(dataset("train", data, share_of(), seed=0))
    assert {name: (x.shape, x.dtype.name) for name, x in batch.items()} == {
        "labels": ((2, 4), "uint8"),
        "numbers": ((2, 4, 13), "float32"),
        "rows": ((2, 4, 26), "int32"),
        "weights": ((2, 4), "float32"),
    }
    example = example_batch(share_of())
    assert {name: (x.shape, x.dtype) for name, x in example.items()} == {
        name: (x.shape, x.dtype) for name, x in batch.items()
    }


def test_epochs_have_shards_in_new_orders_and_lines_in_theirs(data):
    batches = dataset("train", data, share_of(), seed=5)
    orders = []
    for _ in range(3):
        lines = [i for _ in range(60 // BATCH_SIZE) for i in lines_in(next(batches), TRAINING)]
        assert len(set(lines)) == len(lines) == 56  # of 60; what fills no batch is left out
        shards = [shard_of(line) for line in lines]
        runs = [s for s, before in zip(shards, [None, *shards], strict=False) if s != before]
        assert len(set(runs)) == len(runs)  # no shard is visited twice
        for shard in set(runs):
            of_shard = [line for line in lines if shard_of(line) == shard]
            assert of_shard == list(range(of_shard[0], of_shard[0] + len(of_shard)))
        orders.append(runs)
    assert orders[0] != orders[1] != orders[2]


def test_batches_hold_what_the_text_says(data):
    batch = next(dataset("train", data, share_of(), seed=1))
    lines = [TRAINING[i] for i in lines_in(batch, TRAINING)]
    assert batch["labels"].ravel().tolist() == [label_of(line) for line in lines]
    whole = [day.lines(0, len(day)).rows for day in data.days[:3]]
    indices = lines_in(batch, TRAINING)
    np.testing.assert_array_equal(batch["rows"].reshape(-1, 26), np.concatenate(whole)[indices])


def test_seeds_give_other_orders_and_the_same_seed_the_same(data):
    first = [lines_in(next(dataset("train", data, share_of(), seed=s)), TRAINING) for s in (1, 1)]
    assert first[0] == first[1]
    others = {
        tuple(lines_in(next(dataset("train", data, share_of(), seed=s)), TRAINING))
        for s in range(6)
    }
    assert len(others) > 1


def test_resumed_stream_goes_on(data):
    batches = dataset("train", data, share_of(), seed=3)
    for _ in range(9):
        next(batches)
    state = batches.get_state()
    assert state == {"position": 9 * BATCH_SIZE}
    resumed = dataset("train", data, share_of(), seed=3)
    resumed.set_state(state)
    for _ in range(8):
        expected, found = next(batches), next(resumed)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("split", ["train", "eval_train", "validation", "test"])
def test_processes_build_their_replicas_parts(data, split):
    streams = [
        iter(dataset(split, data, share_of(local), seed=2))
        for local in (range(2), range(1), range(1, 2))
    ]
    for _ in range(2):
        whole, first, second = map(next, streams)
        for name in whole:
            np.testing.assert_array_equal(whole[name], np.concatenate([first[name], second[name]]))


@pytest.mark.parametrize("batch_size", [2, 8, 14, 64])
def test_evaluations_have_every_line_once(data, batch_size):
    last = lines_of_day(3)
    for split, expected in (("test", range(30)), ("validation", range(30, 44))):
        batches = list(dataset(split, data, share_of(batch_size=batch_size), seed=0))
        assert [i for batch in batches for i in lines_in(batch, last)] == list(expected)
        assert len(batches) == -(-len(expected) // batch_size)


def test_eval_train_is_a_fixed_part_of_the_training_lines(data):
    found = [
        [
            i
            for batch in dataset("eval_train", data, share_of(batch_size=size), seed=seed)
            for i in lines_in(batch, TRAINING)
        ]
        for size, seed in ((8, 0), (10, 1))
    ]
    assert found[0] == found[1]
    assert len(set(found[0])) == LOGS.eval_train_examples
    assert found[0] != list(range(LOGS.eval_train_examples))


def test_batch_larger_than_the_training_set_is_refused(data):
    with pytest.raises(UserError, match="batch size 62 is more than the 60 training lines"):
        dataset("train", data, share_of(batch_size=62), seed=0)


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 25), (3, 4), (9, 11), (10, 20), (24, 99), (25, 99)]
)
def test_order_and_own_part_agree_with_lists(start, stop):
    shards = [Shard(2, 0, 10), Shard(0, 30, 40), Shard(1, 5, 10)]
    listed = [(s.day, line) for s in shards for line in range(s.start, s.stop)]
    order = ShardOrder(shards)
    assert len(order) == 25
    found = order.between(start, stop)
    assert [(s.day, line) for s in found for line in range(s.start, s.stop)] == listed[start:stop]
    own = own_part(shards, start, stop)
    assert [(s.day, line) for s in own for line in range(s.start, s.stop)] == listed[start:stop]
