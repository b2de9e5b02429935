"""Batches of sentence pairs: order, shares, resumption, and which sentences they hold."""

import functools
import itertools

import numpy as np
import pytest

import workloads
from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import DataError
from workloads.wmt import SIZES
from workloads.wmt.dataset import SHUFFLED_PAIRS, Text, dataset, open_data
from workloads.wmt.files import VOCABULARY_FILE

WORKLOAD = workloads.get("wmt")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return WORKLOAD.open_data(None, tmp_path_factory.mktemp("cache"))


def _sentences(rows, positions):
    """The sentences of packed rows, lists of ids."""
    found = []
    for row, places in zip(rows, positions, strict=True):
        begins = [*np.flatnonzero((places == 0) & (row != 0)), len(row)]
        found += [row[a:b][row[a:b] != 0].tolist() for a, b in itertools.pairwise(begins)]
    return found


def _all(pairs, side):
    tokens = getattr(pairs, side)
    return [tokens.flat[a:b].tolist() for a, b in itertools.pairwise(tokens.offsets)]


def test_an_epoch_has_every_pair_once_and_walks_through_the_stored_order(data):
    pairs = data.pairs("train")
    stored = _all(pairs, "targets")
    share = BatchShare.whole(16)
    seen = []
    for batch in WORKLOAD.dataset("train", data, share, seed=3):
        seen += _sentences(batch["targets"][0], batch["targets_position"][0])
        if len(seen) >= len(stored):
            break
    assert sorted(seen[: len(stored)]) == sorted(stored)
    # Every sentence is about where it is stored, and none where it is stored.
    place = {tuple(ids): i for i, ids in enumerate(stored)}
    shifts = np.array([place[tuple(ids)] - i for i, ids in enumerate(seen[: len(stored)])])
    assert np.median(np.abs(shifts)) < SHUFFLED_PAIRS
    assert (shifts > 0).mean() > 0.2 and (shifts == 0).mean() < 0.05


def test_both_sides_of_a_row_hold_the_same_pairs(data):
    pairs = data.pairs("train")
    translation = dict(
        zip(map(tuple, _all(pairs, "targets")), map(tuple, _all(pairs, "inputs")), strict=True)
    )
    batch = next(WORKLOAD.dataset("train", data, BatchShare.whole(16), seed=0))
    batch = {name: x[0] for name, x in batch.items()}
    targets = _sentences(batch["targets"], batch["targets_position"])
    inputs = _sentences(batch["inputs"], batch["inputs_position"])
    assert [translation[tuple(ids)] for ids in targets] == [tuple(ids) for ids in inputs]


def test_training_goes_on_from_a_position(data):
    make = functools.partial(WORKLOAD.dataset, "train", data, BatchShare.whole(16, 2))
    batches = make(seed=1)
    for _ in range(3):
        next(batches)
    state = batches.get_state()
    expected = [next(batches) for _ in range(3)]
    resumed = make(seed=1)
    resumed.set_state(state)
    for batch in expected:
        for name, x in next(resumed).items():
            np.testing.assert_array_equal(x, batch[name])
    other = make(seed=2)
    assert not np.array_equal(next(other)["targets"], next(make(seed=1))["targets"])


def test_evaluation_has_every_sentence_once_those_of_a_length_together(data):
    share = BatchShare.whole(128)
    batches = list(WORKLOAD.dataset("validation", data, share, seed=0))
    targets = np.concatenate([batch["targets"][0] for batch in batches])
    found = [row[row != 0].tolist() for row in targets if row.any()]
    assert sorted(found) == sorted(_all(data.pairs("validation"), "targets"))
    longest = [
        max((b[side][0] != 0).sum(1).max() for side in ("inputs", "targets")) for b in batches
    ]
    assert longest == sorted(longest) and longest[0] < longest[-1] / 2


def test_evaluated_training_pairs_are_the_first_stored_ones(data):
    share = BatchShare.whole(64)
    text = Text(64, 2_000, eval_train_examples=100)
    batches = dataset("eval_train", data, share, seed=5, text=text)
    found = [row[row != 0].tolist() for b in batches for row in b["inputs"][0] if row.any()]
    assert sorted(found) == sorted(_all(data.pairs("train"), "inputs")[:100])


@pytest.mark.parametrize("split", ["train", "validation"])
def test_example_batches_are_like_batches_at_full_scale(split):
    full = workloads.get("wmt", "full")
    batch = full.example_batch(BatchShare.whole(8, 2), split=split)
    assert batch["targets"].shape == (2, 4, 256)
    assert batch["targets"].max() > 20_000
    if split == "train":
        assert batch["weights"].mean() > 0.8
        assert batch["targets_segmentation"].max() > 5


def test_a_missing_or_other_vocabulary_is_an_error(tmp_path, data):
    # The data of the sample, with the vocabulary's file away, and of another number of pieces.
    root = workloads.wmt.sample.root(tmp_path / "cache")
    with pytest.raises(DataError, match=r"has 1,000 pieces, there should be 32,000; remove"):
        open_data(None, tmp_path / "cache", text=Text())
    (root / VOCABULARY_FILE).unlink()
    with pytest.raises(DataError, match=rf"{VOCABULARY_FILE} is missing; remove .*expands the"):
        open_data(None, tmp_path / "cache", text=SIZES["mini"].text)
