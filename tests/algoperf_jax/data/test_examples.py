"""Example messages as columns, against TensorFlow's own messages and parser."""

import numpy as np
import pytest

from algoperf_jax.data.examples import parse_examples

KINDS = {"x": "float32", "i": "int64"}


@pytest.fixture(scope="module")
def tf():
    from algoperf_jax.data.cpu_tensorflow import import_tensorflow

    return import_tensorflow()


def example(tf, x=(), i=(), **others):
    feature = {
        "x": tf.train.Feature(float_list=tf.train.FloatList(value=x)),
        "i": tf.train.Feature(int64_list=tf.train.Int64List(value=i)),
        **{
            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
            for name, value in others.items()
        },
    }
    message = tf.train.Example(features=tf.train.Features(feature=feature))
    return message.SerializeToString()


def test_columns_are_those_of_tensorflow_s_parser(tf):
    rng = np.random.default_rng(0)
    ends = [0, 1, 127, 128, 2**31, 2**63 - 1, -1, -(2**63)]
    records = [example(tf, i=ends), example(tf), example(tf, x=[np.nan, np.inf], text=[b"a" * 300])]
    for _ in range(50):
        x = rng.normal(size=rng.integers(20))
        i = rng.integers(-(2**40), 2**40, size=rng.integers(20)) >> rng.integers(41)
        records.append(example(tf, x=x, i=i))
    found = parse_examples(records, KINDS)
    ragged = {
        "x": tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64),
        "i": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
    }
    right = tf.io.parse_example(records, ragged)
    for name, column in found.items():
        np.testing.assert_array_equal(column.values, right[name].flat_values.numpy())
        assert column.values.dtype == KINDS[name]
        np.testing.assert_array_equal(column.lengths, right[name].row_lengths().numpy())


def test_lists_that_are_not_packed_are_read(tf):
    # Field 1 of an Int64List, written number by number: 0x08, a varint.
    numbers = b"\x08\x05\x08\x80\x01"
    feature = b"\x1a" + bytes([len(numbers)]) + numbers
    entry = b"\x0a\x01i\x12" + bytes([len(feature)]) + feature
    features = b"\x0a" + bytes([len(entry)]) + entry
    record = b"\x0a" + bytes([len(features)]) + features
    assert tf.train.Example.FromString(record).features.feature["i"].int64_list.value == [5, 128]
    found = parse_examples([record], {"i": "int64"})["i"]
    assert (found.values.tolist(), found.lengths.tolist()) == ([5, 128], [2])


def test_the_last_of_two_values_of_a_name_counts(tf):
    message = tf.train.Example.FromString(example(tf, i=[1]) + example(tf, i=[2, 3]))
    found = parse_examples([example(tf, i=[1]) + example(tf, i=[2, 3])], KINDS)["i"]
    assert found.values.tolist() == list(message.features.feature["i"].int64_list.value)


def test_every_damage_is_told_with_its_record(tf):
    whole = example(tf, x=[1.0, 2.0], i=[300, 5])
    told = 0
    for end in range(1, len(whole)):
        try:
            parse_examples([whole, whole[:end]], KINDS)
        except ValueError as error:
            assert str(error).startswith("1: ")
            told += 1
    assert told == len(whole) - 1


@pytest.mark.parametrize(
    "record, reason",
    [
        (lambda tf: example(tf, x=[1.0])[:0], "it has no feature 'x'"),
        (
            lambda tf: tf.train.Example(
                features=tf.train.Features(
                    feature={"x": tf.train.Feature(int64_list=tf.train.Int64List(value=[1]))}
                )
            ).SerializeToString(),
            "of another kind than float32",
        ),
        (lambda tf: b"\xff" * 20, "more than 64 bits"),
        (lambda tf: b"\x0b", "written in way 3"),
    ],
)
def test_what_is_no_such_message_is_told(tf, record, reason):
    with pytest.raises(ValueError, match=f"^0: .*{reason}"):
        parse_examples([record(tf)], KINDS)


def test_a_number_that_is_too_long_is_told_with_its_record(tf):
    numbers = b"\x80" * 10 + b"\x01"
    feature = b"\x1a" + bytes([len(numbers) + 2]) + b"\x0a" + bytes([len(numbers)]) + numbers
    entry = b"\x0a\x01i\x12" + bytes([len(feature)]) + feature
    features = b"\x0a" + bytes([len(entry)]) + entry
    record = b"\x0a" + bytes([len(features)]) + features
    with pytest.raises(ValueError, match="^1: .*more than 64 bits"):
        parse_examples([example(tf, i=[1]), record], {"i": "int64"})
