"""Where stored data are found, and what is said when they are not complete."""

from pathlib import Path

import numpy as np
import pytest

from algoperf_jax.data.stored import StoredData
from algoperf_jax.data.tfds_folder import NewSplit, TfdsFolder, write_dataset
from algoperf_jax.errors import DataError

EXAMPLES = {"train": 10, "validation": 3, "test": 2}
SMALL = TfdsFolder(Path("numbers", "1.0.0"), {"train": 3, "validation": 1}, EXAMPLES)
OTHER = TfdsFolder(Path("others", "1.0.0"), {"test": 1}, {"test": 2})
STORED = StoredData("numbers", (SMALL, OTHER), ("", "numbers", "numbers/jax"))
PLACES = pytest.mark.parametrize("place", STORED.places)


def write(root, examples=EXAMPLES):
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict({"n": tfds.features.Tensor(shape=(), dtype=np.int64)})
    for dataset in STORED.datasets:
        splits = {
            name: NewSplit([str(i) for i in range(examples[name])], lambda i: {"n": i})
            for name in dataset.shards
        }
        write_dataset(dataset, root, splits, features)


@PLACES
def test_data_are_found_in_every_place_and_read_by_split(tmp_path, place):
    write(tmp_path / place)
    location = STORED.in_data_dir(tmp_path)
    assert location.root == tmp_path / place
    location.check(EXAMPLES)
    assert {split: len(location.records(split)) for split in EXAMPLES} == EXAMPLES


def test_data_are_prepared_in_the_last_place(tmp_path):
    assert STORED.root(tmp_path) == tmp_path / "numbers" / "jax"


@PLACES
def test_missing_file_is_named_with_the_command_that_makes_it(tmp_path, place):
    write(tmp_path / place)
    missing = tmp_path / place / SMALL.folder / "numbers-train.tfrecord-00001-of-00003"
    missing.unlink()
    with pytest.raises(DataError) as error:
        STORED.in_data_dir(tmp_path).check(EXAMPLES)
    assert str(error.value) == (
        f"{missing} is missing; remove {tmp_path / place / SMALL.folder} and prepare it with: "
        f"python scripts/prepare_data.py numbers --data_dir {tmp_path}"
    )


def test_folder_without_data_is_an_error(tmp_path):
    with pytest.raises(DataError) as error:
        STORED.in_data_dir(tmp_path).check(EXAMPLES)
    assert str(error.value) == (
        f"{tmp_path}/numbers/jax/numbers/1.0.0 does not exist; prepare it with: "
        f"python scripts/prepare_data.py numbers --data_dir {tmp_path}"
    )


def test_second_data_set_may_not_be_missing_either(tmp_path):
    import shutil

    write(tmp_path)
    shutil.rmtree(tmp_path / "others")
    with pytest.raises(DataError, match=r"others/1\.0\.0 does not exist; prepare it with"):
        STORED.in_data_dir(tmp_path).check(EXAMPLES)


@pytest.mark.parametrize("split", EXAMPLES)
def test_split_of_another_size_is_an_error(tmp_path, split):
    write(tmp_path)
    with pytest.raises(DataError, match=f"split '{split}' has {EXAMPLES[split]} examples, there"):
        STORED.in_data_dir(tmp_path).check(EXAMPLES | {split: 1000})


def test_damaged_sample_is_to_be_removed(tmp_path):
    write(tmp_path)
    (tmp_path / OTHER.folder / "others-test.tfrecord-00000-of-00001").unlink()
    with pytest.raises(DataError, match=f"is missing; remove {tmp_path}, the next start expands"):
        STORED.in_sample(tmp_path).records("test")
