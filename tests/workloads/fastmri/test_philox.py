"""Random numbers against values of TensorFlow's generator, and against it."""

import numpy as np
import pytest

from workloads.fastmri.philox import fold, uniforms, words


def test_known_words_and_numbers():
    assert [f"{word:x}" for word in words((0, 0), 4)] == [
        "e79b028e",
        "a0da5e89",
        "4de6687a",
        "abe2a952",
    ]
    expected = [0.21101546, 0.70600998, 0.80006337, 0.77079225, 0.38858867]
    np.testing.assert_array_equal(uniforms((0, 0), 5), np.float32(expected))


@pytest.mark.parametrize(
    ("seed", "folded"),
    [((0, 0), (-6856063536328932722, 17)), ((1, 2), (7464880146280614444, 17))],
)
def test_known_seeds(seed, folded):
    assert fold(seed, 17) == folded


@pytest.mark.parametrize("count", [0, 1, 4, 7])
def test_a_stream_s_beginning_is_the_same_for_all_lengths(count):
    np.testing.assert_array_equal(words((3, -4), count), words((3, -4), 40)[:count])


@pytest.mark.slow  # imports TensorFlow
@pytest.mark.parametrize("seed", [(0, 0), (5, 0), (-3, 2**40 + 7), (2**62, -(2**62))])
def test_numbers_are_those_of_tensorflow(seed):
    import tensorflow as tf

    with tf.device("CPU"):
        for count in (1, 93, 640):
            expected = tf.random.stateless_uniform([count], seed=np.array(seed, np.int64))
            np.testing.assert_array_equal(uniforms(seed, count), expected.numpy())
        folded = tf.random.experimental.stateless_fold_in(np.array(seed, np.int64), np.int64(123))
    assert fold(seed, 123) == tuple(folded.numpy().tolist())
