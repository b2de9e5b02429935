"""Random access to records, against files that TensorFlow wrote, whole and damaged."""

import json
import os
import tempfile

import google_crc32c
import numpy as np
import pytest

from algoperf_jax.data import tfrecords
from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from algoperf_jax.data.tfrecords import open_records, tfds_shards
from algoperf_jax.errors import DataError

COUNTS = [3, 40, 0, 7]


@pytest.fixture(scope="module")
def payloads():
    rng = np.random.default_rng(0)
    return [[rng.bytes(int(rng.integers(0, 500))) for _ in range(count)] for count in COUNTS]


@pytest.fixture
def paths(tmp_path, payloads):
    tf = import_tensorflow()
    paths = [tmp_path / f"a-train.tfrecord-{k:05d}-of-00004" for k in range(len(COUNTS))]
    for path, records in zip(paths, payloads, strict=True):
        with tf.io.TFRecordWriter(str(path)) as writer:
            for payload in records:
                writer.write(payload)
    return paths


def opened(paths, counts=COUNTS):
    return open_records(paths, counts, "make it again")


def damage(path, offset, *, keep_time=False):
    """Flips a bit of a byte."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    status = path.stat()
    path.write_bytes(content)
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def offset_of(payloads, record):
    """Where a record of the second file begins."""
    return sum(len(payload) + 16 for payload in payloads[1][:record])


def test_records_are_those_written_in_the_order_asked_for(paths, payloads):
    records = opened(paths)
    everything = [payload for file in payloads for payload in file]
    assert len(records) == 50
    assert records.records_per_file == COUNTS
    assert records.read(np.arange(50)) == everything
    ids = np.random.default_rng(1).integers(0, 50, 200)  # with repetitions
    assert records.read(ids) == [everything[i] for i in ids]
    assert records.read(np.array([], np.int64)) == []


def test_record_is_named_by_its_file_and_its_number_there(paths):
    records = opened(paths)
    assert records.where(0) == f"{paths[0]}, record 0"
    assert records.where(42) == f"{paths[1]}, record 39"
    assert records.where(43) == f"{paths[3]}, record 0"


def test_checksum_is_crc_32c():
    # The check value of CRC-32/ISCSI, another name of it, in the CRC RevEng catalogue.
    row = np.frombuffer(b"123456789", np.uint8)[None]
    assert tfrecords._crc32c(row).tolist() == [0xE3069283]
    rows = np.random.default_rng(0).integers(0, 256, (20, 8), np.uint8)
    expected = [google_crc32c.value(row.tobytes()) for row in rows]
    assert tfrecords._crc32c(rows).tolist() == expected


def test_lengths_are_kept_and_used_while_files_stay_the_same(paths, payloads):
    first = opened(paths)
    assert (paths[0].parent / "a-train.record_lengths.npz").exists()
    damage(paths[1], offset_of(payloads, 5), keep_time=True)  # a length, which is not read again
    again = opened(paths)
    for name in ("starts", "offsets", "lengths"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))


def test_lengths_are_found_again_when_a_file_changes(paths):
    opened(paths)
    with import_tensorflow().io.TFRecordWriter(str(paths[1])) as writer:
        for k in range(4):
            writer.write(bytes([k]) * k)
    records = opened(paths, [3, 4, 0, 7])
    assert records.read(np.array([3, 6])) == [b"", b"\3\3\3"]
    assert opened(paths, [3, 4, 0, 7]).lengths.tolist() == records.lengths.tolist()


def test_damaged_file_of_lengths_is_replaced(paths, payloads):
    opened(paths)
    kept = paths[0].parent / "a-train.record_lengths.npz"
    whole = kept.read_bytes()
    for content in (b"", b"not a file of arrays", whole[: len(whole) // 2]):
        kept.write_bytes(content)
        assert opened(paths).read(np.array([2])) == [payloads[0][2]]
        assert kept.read_bytes()[:2] == b"PK"


def test_folder_that_cannot_be_written_to_is_no_obstacle(paths, payloads, monkeypatch):
    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    assert opened(paths).read(np.array([2])) == [payloads[0][2]]
    assert not list(paths[0].parent.glob("*.npz"))


def test_file_that_ends_early_is_an_error_that_names_the_record(paths, payloads):
    start = offset_of(payloads, 20)
    whole = paths[1].read_bytes()
    for length in (start + 5, start + 12, start + 13, offset_of(payloads, 21) - 1):
        paths[1].write_bytes(whole[:length])
        with pytest.raises(DataError, match=f"{paths[1]} ends in the middle of record 20; make"):
            opened(paths)
    paths[1].write_bytes(whole[:start])
    with pytest.raises(DataError, match=f"{paths[1]} has 20 records, dataset_info.json says 40"):
        opened(paths)


@pytest.mark.parametrize("byte", [0, 7, 8, 11])
def test_damaged_header_is_an_error_that_names_the_record(paths, payloads, byte):
    damage(paths[1], offset_of(payloads, 20) + byte)
    with pytest.raises(DataError, match=f"{paths[1]}, record 20 is damaged: its length"):
        opened(paths)


def test_damaged_content_is_an_error_that_names_the_record(paths, payloads):
    records = opened(paths)
    start, end = offset_of(payloads, 20), offset_of(payloads, 21)
    for byte in (start + 12, end - 5, end - 4, end - 1):
        damage(paths[1], byte)
        assert records.read(np.array([22, 24])) == [payloads[1][19], payloads[1][21]]
        with pytest.raises(DataError, match=f"{paths[1]}, record 20 is damaged: its content"):
            records.read(np.array([0, 24, 23]))
        damage(paths[1], byte)
    assert records.read(np.array([23])) == [payloads[1][20]]


def test_missing_file_is_an_error(paths):
    records = opened(paths)
    paths[3].unlink()
    with pytest.raises(DataError, match=f"{paths[3]} cannot be opened .No such file.*make it aga"):
        records.read(np.array([45]))
    with pytest.raises(DataError, match=f"{paths[3]} is missing; make it again"):
        opened(paths)


def write_info(folder, **lengths):
    splits = [{"name": name, "shardLengths": [str(n) for n in ns]} for name, ns in lengths.items()]
    (folder / "dataset_info.json").write_text(json.dumps({"splits": splits}))


def test_shards_and_lengths_are_those_of_the_metadata(paths):
    write_info(paths[0].parent, test=[5], train=COUNTS)
    assert tfds_shards(paths[0].parent, "a", "train", "make it") == (paths, COUNTS)


def test_missing_shard_is_an_error(paths):
    write_info(paths[0].parent, train=COUNTS)
    paths[2].unlink()
    with pytest.raises(DataError, match=f"{paths[2]} is missing; make it"):
        tfds_shards(paths[0].parent, "a", "train", "make it")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ("{}", "has no 'splits'"),
        ('{"splits": [{"name": "test"}]}', "has no 'train'"),
        ('{"splits": [{"name": "train"}]}', "has no 'shardLengths'"),
        ('{"splits": [{"name": "train", "shardLengths": ["x"]}]}', "is damaged"),
        ('{"splits": [{"name": "train", "shardLengths": ["0"]}]}', "is missing"),
        ('{"splits": [{"name": "train", "shardLengths": []}]}', "has no records"),
    ],
)
def test_metadata_that_tell_no_shards_are_an_error(tmp_path, content, message):
    if content is not None:
        (tmp_path / "dataset_info.json").write_text(content)
    with pytest.raises(DataError, match=rf"{tmp_path}.*{message}.*; make it") as error:
        tfds_shards(tmp_path, "a", "train", "make it")
    assert "dataset_info.json" in str(error.value) or "tfrecord" in str(error.value)
