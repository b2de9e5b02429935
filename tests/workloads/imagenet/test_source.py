"""Where data are looked for, and what is said when they are not complete."""

import json
from pathlib import Path

import pytest
from imagenet_files import FOLDERS, record, shard_path, write_shards

from algoperf_jax.errors import DataError
from workloads.imagenet import sample
from workloads.imagenet.source import locate_data, records_of

LENGTHS = {"train": [4, 3, 2], "validation": [3, 2], "test": [2]}
COUNTS = {"train": 9, "validation": 5, "test": 2, "eval_train": 4}


def write(root):
    for split, lengths in LENGTHS.items():
        write_shards(root, split, [[record(b"", 0)] * n for n in lengths])


@pytest.mark.parametrize("place", ["", "imagenet", "imagenet/jax"])
def test_data_are_found_in_three_places(tmp_path, place):
    write(tmp_path / place)
    found = locate_data(tmp_path, Path("unused"), num_examples=COUNTS)
    assert found == tmp_path / place
    assert {split: len(records_of(split, found)) for split in LENGTHS} == {
        split: COUNTS[split] for split in LENGTHS
    }


def test_without_a_folder_the_sample_is_made(tmp_path):
    counts = {"train": 4000, "validation": 1000, "test": 1000}
    source = locate_data(None, tmp_path, num_examples=counts)
    assert source == sample.source(tmp_path)
    assert {split: len(records_of(split, source)) for split in counts} == counts


@pytest.mark.parametrize("place", ["", "imagenet", "imagenet/jax"])
def test_error_tells_the_command_that_mends_it(tmp_path, place):
    write(tmp_path / place)
    missing = shard_path(tmp_path / place, "validation", 1, 2)
    missing.unlink()
    with pytest.raises(DataError) as error:
        locate_data(tmp_path, Path("unused"))
    folder = tmp_path / place / FOLDERS["validation"]
    assert str(error.value).startswith(
        f"{missing} is missing; remove {folder} and make it again with: python "
        f"scripts/prepare_data.py imagenet --data_dir {tmp_path} ("
    )


def test_folder_without_data_is_an_error(tmp_path):
    with pytest.raises(DataError) as error:
        locate_data(tmp_path, Path("unused"))
    assert str(error.value) == (
        f"{tmp_path}/imagenet/jax/imagenet2012/5.1.0 does not exist; make it with: python "
        f"scripts/prepare_data.py imagenet --data_dir {tmp_path}"
    )


def test_missing_test_set_is_an_error(tmp_path):
    for split in ("train", "validation"):
        write_shards(tmp_path, split, [[record(b"", 0)]])
    with pytest.raises(DataError, match=r"imagenet_v2/matched-frequency/3.0.0 does not exist"):
        locate_data(tmp_path, Path("unused"))


@pytest.mark.parametrize("split", LENGTHS)
def test_split_of_another_size_than_the_workload_has_is_an_error(tmp_path, split):
    write(tmp_path)
    wrong = COUNTS | {split: 1000}
    with pytest.raises(DataError) as error:
        locate_data(tmp_path, Path("unused"), num_examples=wrong)
    assert str(error.value).startswith(
        f"{tmp_path / FOLDERS[split]}/dataset_info.json: split {split!r} has {COUNTS[split]} "
        "examples, the workload has 1000; remove "
    )


def test_shard_with_another_number_of_records_than_the_metadata_say_is_an_error(tmp_path):
    write(tmp_path)
    info = tmp_path / FOLDERS["train"] / "dataset_info.json"
    content = json.loads(info.read_text())
    (train,) = [entry for entry in content["splits"] if entry["name"] == "train"]
    train["shardLengths"] = ["4", "2", "3"]
    info.write_text(json.dumps(content))
    source = locate_data(tmp_path, Path("unused"), num_examples=COUNTS)
    with pytest.raises(DataError, match="00001-of-00003 has 3 records, dataset_info.json says 2"):
        records_of("train", source)
