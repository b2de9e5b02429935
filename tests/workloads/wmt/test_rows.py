"""Rows of tokens against the packing of the specification, written as a plain loop."""

import numpy as np
import pytest

from algoperf_jax.data.order import OnePass
from algoperf_jax.data.packing import packed_plan
from workloads.wmt.pairs import Pairs, Tokens
from workloads.wmt.rows import PAIRS_PER_GROUP, packed_rows, row_packing, single_rows

LENGTH = 16


def _pairs(sentences):
    """`Pairs` of lists of ids: `(inputs, targets)` for each pair."""

    def side(lists):
        return Tokens(
            np.array(sum(lists, []), np.uint16),
            np.concatenate([[0], np.cumsum([len(ids) for ids in lists])]),
        )

    sizes = np.array([[sum(i != 0 for i in ids) for ids in pair] for pair in sentences])
    sources, targets = zip(*sentences, strict=True)
    return Pairs(side(list(sources)), side(list(targets)), sizes, len(sentences))


def _random_sentences(count, seed):
    rng = np.random.default_rng(seed)

    def sentence():
        # About one in twenty tokens is unknown, and has the id of padding.
        ids = rng.integers(3, 99, rng.integers(1, LENGTH - 1))
        return [*np.where(rng.random(len(ids)) < 0.05, 0, ids).tolist(), 2]

    return [(sentence(), sentence()) for _ in range(count)]


def _specified_rows(sentences):
    """The rows of the specification, sentence by sentence."""
    rows, row = [], None

    def written(row):
        arrays = {}
        for side in ("inputs", "targets"):
            tokens, positions = (np.array(row[key]) for key in (side, side + "_position"))
            padding = (0, LENGTH - len(tokens))
            segments = np.cumsum(positions == 0) * (tokens != 0)
            arrays[side] = np.pad(tokens, padding)
            arrays[side + "_position"] = np.pad(positions, padding)
            arrays[side + "_segmentation"] = np.pad(segments, padding)
        return arrays

    for number, pair in enumerate(sentences):
        pair = [ids[: sum(i != 0 for i in ids)] for ids in pair]
        if number % PAIRS_PER_GROUP == 0 and row is not None:
            rows.append(written(row))
            row = None
        sides = list(zip(("inputs", "targets"), pair, strict=True))
        if row is None or any(len(row[side]) + len(ids) > LENGTH for side, ids in sides):
            if row is not None:
                rows.append(written(row))
            row = {key: [] for side, _ in sides for key in (side, side + "_position")}
        for side, ids in sides:
            row[side] += ids
            row[side + "_position"] += range(len(ids))
    return [*rows, written(row)]


def test_packed_rows_are_the_specified_ones():
    sentences = _random_sentences(3 * PAIRS_PER_GROUP + 17, seed=0)
    pairs = _pairs(sentences)
    plan = packed_plan(OnePass(np.arange(len(pairs))), row_packing(pairs, LENGTH), 8, set(range(8)))
    batches = [packed_rows(pairs, packs.items, LENGTH) for _, packs in plan(0)]
    expected = _specified_rows(sentences)
    for name in expected[0]:
        found = np.concatenate([batch[name] for batch in batches])
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found[: len(expected)], [row[name] for row in expected], name)
        assert not found[len(expected) :].any()
    weights = np.concatenate([batch["weights"] for batch in batches])
    targets = np.concatenate([batch["targets"] for batch in batches])
    np.testing.assert_array_equal(weights, targets > 0)


def test_row_holds_what_fits_exactly():
    sentences = [([5] * 9 + [2], [2]), ([7] * 5 + [2], [2]), ([8, 2], [2])]
    pairs = _pairs(sentences)
    plan = packed_plan(OnePass(np.arange(3)), row_packing(pairs, LENGTH), 1, {0})
    assert [packs.items[0].tolist() for _, packs in plan(0)] == [[0, 1], [2]]


def test_single_rows_keep_whole_sentences():
    sentences = _random_sentences(20, seed=1)
    chosen = np.array([3, 17, 0])
    batch = single_rows(_pairs(sentences), chosen, LENGTH)
    for row, number in enumerate(chosen):
        for side, ids in zip(("inputs", "targets"), sentences[number], strict=True):
            np.testing.assert_array_equal(batch[side][row], ids + [0] * (LENGTH - len(ids)))
    np.testing.assert_array_equal(batch["weights"], batch["targets"] > 0)


@pytest.mark.parametrize("rows", [1, 5])
def test_packed_rows_of_nothing_are_padding(rows):
    pairs = _pairs([([5, 2], [6, 2])])
    batch = packed_rows(pairs, [np.empty(0, np.int64)] * rows, LENGTH)
    assert all(x.shape == (rows, LENGTH) and not x.any() for x in batch.values())
