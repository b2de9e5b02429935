"""Greedy decoding against a plain loop and the reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_vectors import GoldenSet

from workloads.librispeech.decoding import collapse, greedy_decode

DECODE = jax.jit(greedy_decode)


def plainly(logits, length):
    """The labels of one example, by a loop over its frames."""
    labels, previous = [], None
    for frame in logits[:length]:
        symbol = int(np.argmax(frame))
        if symbol not in (previous, 0):
            labels.append(symbol)
        previous = symbol
    return labels


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_labels_are_those_of_a_loop_over_frames(spread):
    rng = np.random.default_rng(0)
    # Of whole numbers, so that there are ties.
    logits = np.round(spread * rng.normal(size=(20, 15, 3))).astype(np.float32)
    lengths = rng.integers(0, 16, 20)
    labels, counts = DECODE(logits, lengths)
    assert labels.dtype == counts.dtype == jnp.int32
    for row, count, example, length in zip(labels, counts, logits, lengths, strict=True):
        expected = plainly(example, length)
        assert count == len(expected)
        np.testing.assert_array_equal(row, expected + [0] * (15 - len(expected)))


def test_example_that_decodes_to_nothing_stays_empty_beside_others():
    logits = jax.nn.one_hot(jnp.array([[0, 0, 0], [2, 1, 1]]), 3)
    labels, counts = DECODE(logits, jnp.array([3, 3]))
    np.testing.assert_array_equal(labels, [[0, 0, 0], [2, 1, 0]])
    np.testing.assert_array_equal(counts, [0, 2])


def test_labels_match_the_reference(golden: GoldenSet):
    record = golden.load("metrics")["ctc"]
    logits = 2.5 * golden.texture((5, 14, 9)) + 0.6 * (np.arange(9) == 0)
    lengths = (1 - np.array(record["logit_paddings"])).sum(axis=1).astype(int)
    labels, counts = DECODE(jnp.float32(logits), lengths)
    np.testing.assert_array_equal(labels, record["greedy_hyp"])
    np.testing.assert_array_equal(counts, (1 - np.array(record["greedy_hyp_paddings"])).sum(axis=1))


def test_collapsed_alignments_match_the_reference(golden: GoldenSet):
    record = golden.load("metrics")["ctc"]
    lengths = (1 - np.array(record["collapse_path_paddings"])).sum(axis=1).astype(int)
    labels, counts = collapse(jnp.array(record["collapse_path"]), lengths)
    np.testing.assert_array_equal(labels, record["collapse_hyp"])
    np.testing.assert_array_equal(
        counts, (1 - np.array(record["collapse_hyp_paddings"])).sum(axis=1)
    )
