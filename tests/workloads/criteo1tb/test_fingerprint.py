"""Fingerprints against values of TensorFlow's `to_hash_bucket_fast`, and against it."""

import numpy as np
import pytest

from workloads.criteo1tb.fingerprint import Fingerprints


def words(*keys):
    return np.array([int.from_bytes(key.encode(), "little") for key in keys], np.uint64)


# Computed by TensorFlow 2.19 for the key and the suffix put together.
@pytest.mark.parametrize(
    ("key", "suffix", "expected"),
    [
        ("68fd1e64", b"0", 9066014191666271819),
        ("00000000", b"0", 2271946735276985195),
        ("80e26c9b", b"1", 9644741471291152324),
        ("fb936136", b"9", 2577644556887348178),
        ("7b4723c4", b"19", 3213305624589018994),
        ("00000000", b"25", 10220210890468929800),
    ],
)
def test_known_fingerprints(key, suffix, expected):
    assert Fingerprints([suffix])(words(key)).tolist() == [expected]


def test_columns_have_their_own_suffixes():
    keys = words("68fd1e64", "7b4723c4")
    both = Fingerprints([b"0", b"19"])(np.stack([keys, keys]))
    assert both.tolist() == 2 * [[9066014191666271819, 3213305624589018994]]


@pytest.mark.parametrize("suffix", [b"", b"12345678"])
def test_suffixes_of_no_or_too_many_bytes_are_refused(suffix):
    with pytest.raises(ValueError, match="1 to 7 bytes"):
        Fingerprints([suffix])


@pytest.mark.slow  # imports TensorFlow
def test_fingerprints_are_those_of_tensorflow():
    import tensorflow as tf

    random = np.random.default_rng(0)
    for length in range(1, 8):
        suffix = bytes(random.integers(33, 127, length, np.uint8))
        keys = [bytes(random.integers(33, 127, 8, np.uint8)).decode() for _ in range(100)]
        found = Fingerprints([suffix])(words(*keys)[:, None])[:, 0]
        prime = 2**63 - 25  # what is left of a division by a large prime is as good as the whole
        expected = tf.strings.to_hash_bucket_fast([k.encode() + suffix for k in keys], prime)
        np.testing.assert_array_equal(found % np.uint64(prime), expected.numpy().astype(np.uint64))
