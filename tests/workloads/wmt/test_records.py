"""Texts read from records that TensorFlow wrote, and refused where they are something else."""

import dataclasses

import numpy as np
import pytest
from tfds_files import enter_split

from algoperf_jax.data.tfds_folder import NewSplit, write_dataset
from algoperf_jax.errors import DataError
from workloads.wmt import records
from workloads.wmt.files import STORED, WMT17, features

FILE = "wmt17_translate-train.tfrecord-00000-of-00001"


def example(**values):
    """A serialised `tf.train.Example`: a text, a list of texts or a list of numbers by name."""
    import tensorflow as tf

    built = tf.train.Example()
    for name, value in values.items():
        feature = built.features.feature[name]
        if isinstance(value, list) and value and isinstance(value[0], int):
            feature.int64_list.value.extend(value)
        else:
            value = value if isinstance(value, list) else [value]
            feature.bytes_list.value.extend(v.encode() if isinstance(v, str) else v for v in value)
    return built.SerializeToString(deterministic=True)


def write(root, payloads):
    """Writes the payloads to a file of WMT17; its records."""
    import tensorflow as tf

    folder = root / WMT17.folder
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / FILE)) as writer:
        for payload in payloads:
            writer.write(payload)
    enter_split(folder, "train", [len(payloads)])
    return STORED.in_data_dir(root).records("train")


def field(number, content):
    """A length-delimited field of less than 128 bytes."""
    return bytes((number << 3 | 2, len(content))) + content


def entry(name, text):
    return field(1, field(1, name) + field(2, field(1, field(1, text))))


def test_texts_are_those_that_tensorflow_wrote(tmp_path):
    # Lengths at which a field's length needs another byte, and whatever is between.
    rng = np.random.default_rng(0)
    lengths = [1, 100, 120, 127, 128, 129, 16_383, 16_384, *rng.integers(1, 300, 60).tolist()]
    pairs = [("ä" * n, "".join(map(chr, rng.integers(32, 0x3000, n)))) for n in lengths]
    payloads = [example(de=german, en=english) for german, english in pairs]
    found = list(records.texts(write(tmp_path, payloads)))
    assert found == [(german.encode(), english.encode()) for german, english in pairs]


def test_languages_may_come_in_any_order(tmp_path):
    payloads = [
        field(1, entry(b"de", b"ja") + entry(b"en", b"yes")),
        field(1, entry(b"en", b"no") + entry(b"de", b"nein")),
    ]
    assert payloads[0] == example(de="ja", en="yes")
    found = list(records.texts(write(tmp_path, payloads)))
    assert found == [(b"ja", b"yes"), (b"nein", b"no")]


@pytest.mark.parametrize("at_a_time", [7, 16_384])
def test_order_is_that_of_tensorflow_datasets(tmp_path, monkeypatch, at_a_time):
    """More files than it reads at a time, each with more records than it takes at a turn."""
    import tensorflow_datasets as tfds

    monkeypatch.setattr(records, "PAIRS_AT_A_TIME", at_a_time)
    names = [str(i) for i in range(19 * 35)]
    split = NewSplit(names, lambda i: {"de": names[i], "en": names[i]})
    dataset = dataclasses.replace(WMT17, shards={"train": 19})
    write_dataset(dataset, tmp_path, {"train": split}, features())
    builder = tfds.builder_from_directory(str(tmp_path / WMT17.folder))
    data = tfds.as_numpy(builder.as_dataset(split="train", shuffle_files=False))
    expected = [(item["de"], item["en"]) for item in data]
    found = list(records.texts(STORED.in_data_dir(tmp_path).records("train")))
    assert found == expected
    assert len(set(found)) == 19 * 35


@pytest.mark.parametrize(
    "values",
    [
        {"de": "ja"},
        {},
        {"de": "ja", "en": "yes", "fr": "oui"},
        {"de": "ja", "fr": "oui"},
        {"de": "ja", "en": [1]},
        {"de": "ja", "en": ["yes", "yeah"]},
        {"de": "ja", "en": []},
    ],
    ids=str,
)
def test_example_of_something_else_is_refused(tmp_path, values):
    payloads = [example(de="ja", en="yes")] * 2 + [example(**values)]
    with pytest.raises(DataError) as error:
        list(records.texts(write(tmp_path, payloads)))
    path = tmp_path / WMT17.folder / FILE
    assert str(error.value).startswith(
        f"{path}, record 2 is not an example with one text for each of de and en; remove "
    )
    assert "python scripts/prepare_data.py wmt" in str(error.value)


@pytest.mark.parametrize(
    "payload",
    [
        field(1, entry(b"de", b"ja") + entry(b"en", b"yes") + entry(b"de", b"doch")),
        field(1, entry(b"de", b"ja")) + field(1, entry(b"en", b"yes")),
        field(1, entry(b"de", b"ja") + entry(b"en", b"yes")) + b"\x10\x01",
        field(1, entry(b"de", b"ja") + field(1, field(1, b"en") + field(3, b""))),
        field(1, entry(b"de", b"ja") + field(1, entry(b"en", b"yes")[2:] + field(3, b"x"))),
        field(2, entry(b"de", b"ja") + entry(b"en", b"yes")),
        b"\x0a\xff\xff\xff\xff\xff\xff\xff",
    ],
    ids=[
        "name twice",
        "features twice",
        "number behind",
        "no feature",
        "more than a feature",
        "other field",
        "endless length",
    ],
)
def test_bytes_in_another_form_are_refused(payload):
    with pytest.raises((ValueError, IndexError)):
        records._parsed(payload)


def test_no_part_of_a_record_is_taken_for_one():
    payload = example(de="Guten Morgen", en="ä" * 200)
    assert set(records._parsed(payload)) == {b"de", b"en"}
    for end in range(len(payload)):
        with pytest.raises((ValueError, IndexError)):
            records._parsed(payload[:end])
    content = entry(b"de", b"Guten Morgen") + entry(b"en", b"Good morning")
    assert set(records._parsed(field(1, content))) == {b"de", b"en"}
    half = len(entry(b"de", b"Guten Morgen"))
    for end in set(range(1, len(content))) - {half}:
        with pytest.raises((ValueError, IndexError)):
            records._parsed(field(1, content[:end]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"de": "ja", "en": b"\xff"}, "record 1: the text of en is not UTF-8 .*0xff"),
        ({"de": b"j\xc3", "en": "yes"}, "record 1: the text of de is not UTF-8"),
        ({"de": "", "en": "yes"}, "record 1: the text of de is empty"),
        ({"de": "ja", "en": ""}, "record 1: the text of en is empty"),
    ],
)
def test_text_that_is_none_is_refused(tmp_path, values, message):
    opened = write(tmp_path, [example(de="ja", en="yes"), example(**values)])
    with pytest.raises(DataError, match=message):
        list(records.texts(opened))
