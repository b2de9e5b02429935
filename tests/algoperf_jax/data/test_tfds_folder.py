"""Folders in the layout of TensorFlow Datasets, compared with what that library itself does."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from algoperf_jax.data.prepared_folder import write_atomically
from algoperf_jax.data.tfds_folder import (
    NewSplit,
    TfdsFolder,
    shard_borders,
    stored_order,
    write_dataset,
)
from algoperf_jax.errors import DataError

DATASET = TfdsFolder(
    Path("numbers", "odd", "1.2.0"), {"train": 3, "test": 1}, {"train": 10, "test": 2}
)


def features():
    import tensorflow_datasets as tfds

    tensor = tfds.features.Tensor(shape=(), dtype=np.int64)
    return tfds.features.FeaturesDict({"number": tensor, "square": tensor, "half": tensor})


def write(root, counts=(10, 2)):
    splits = {
        name: NewSplit(
            [f"{i}.txt" for i in range(count)],
            lambda i: {"number": i, "square": i * i, "half": i // 2},
        )
        for name, count in zip(DATASET.shards, counts, strict=True)
    }
    write_dataset(DATASET, root, splits, features(), homepage="https://numbers.example")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("written")
    write(root)
    return root


def test_builder_of_tensorflow_datasets_finds_it_by_name_and_config(written):
    import tensorflow_datasets as tfds

    builder = tfds.builder("numbers/odd:1.2.0", data_dir=str(written))
    assert builder.info.full_name == "numbers/odd/1.2.0"
    assert builder.info.homepage == "https://numbers.example"
    lengths = {name: split.shard_lengths for name, split in builder.info.splits.items()}
    assert lengths == {"train": [3, 4, 3], "test": [2]}
    examples = list(tfds.as_numpy(builder.as_dataset(split="train", shuffle_files=False)))
    assert [int(e["number"]) for e in examples] == stored_order(
        "train", [f"{i}.txt" for i in range(10)]
    )
    assert all(e["square"] == e["number"] ** 2 for e in examples)


def test_order_is_that_of_the_hashes_of_tensorflow_datasets():
    from tensorflow_datasets.core import hashing

    keys = [f"n0{k}_{k * k}.JPEG" for k in range(50)]
    for split in ("train", "validation"):
        hasher = hashing.Hasher(split)
        expected = sorted(range(50), key=lambda k: hasher.hash_key(keys[k]))
        assert stored_order(split, keys) == expected


def test_shards_end_where_tensorflow_datasets_ends_them():
    from tensorflow_datasets.core.utils import shard_utils

    for records, shards in ((8, 8), (30, 8), (3_908, 8), (350_343, 8), (1_281_167, 1024)):
        expected = shard_utils.get_shard_boundaries(records, shards)
        assert shard_borders(records, shards)[1:] == expected


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(written, tmp_path):
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "import test_tfds_folder; test_tfds_folder.write(Path(sys.argv[2]))"
    )
    folder = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-c", program, folder, str(tmp_path)], check=True)
    files = [p for p in written.rglob("*") if p.is_file()]
    assert len(files) == 6
    for path in files:
        assert path.read_bytes() == (tmp_path / path.relative_to(written)).read_bytes()


def test_data_set_is_there_in_whatever_number_of_files(written):
    other = dataclasses.replace(DATASET, shards={"train": 1024, "test": 64})
    assert other.is_there(written)
    other.check_examples(written, {"train": 10, "test": 2}, "remedy")
    with pytest.raises(DataError, match="split 'test' has 2 examples, there should be 3; remedy"):
        other.check_examples(written, {"train": 10, "test": 3}, "remedy")


@pytest.mark.parametrize(
    "name", ["numbers-train.tfrecord-00001-of-00003", "features.json", "dataset_info.json"]
)
def test_part_of_a_data_set_is_refused(tmp_path, name):
    assert not DATASET.is_there(tmp_path)
    write(tmp_path)
    (tmp_path / DATASET.folder / name).unlink()
    with pytest.raises(DataError, match=rf"{name} is missing; remove .*1\.2\.0 and run"):
        DATASET.is_there(tmp_path)


def test_interrupted_writing_leaves_nothing(tmp_path):
    def fail(unfinished):
        write(unfinished)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(DATASET, tmp_path, fail)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    write_atomically(DATASET, tmp_path, write)
    assert DATASET.is_there(tmp_path)
    write_atomically(DATASET, tmp_path, fail)  # is there: not called


def test_the_first_of_two_writers_wins(tmp_path):
    def slower(unfinished):
        write(unfinished)
        write_atomically(DATASET, tmp_path, lambda folder: write(folder, counts=(4, 4)))

    write_atomically(DATASET, tmp_path, slower)
    from tensorflow_datasets import builder

    assert (
        builder("numbers/odd:1.2.0", data_dir=str(tmp_path)).info.splits["test"].num_examples == 4
    )
    assert [p.name for p in (tmp_path / "numbers" / "odd").iterdir()] == ["1.2.0"]
