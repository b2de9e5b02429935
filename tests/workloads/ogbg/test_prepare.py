"""Conversion of small raw tables, made here, to the layout of TensorFlow Datasets."""

import dataclasses
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from raw_molecules import write_raw, write_rows

from algoperf_jax.errors import DataError
from workloads.ogbg import prepare, sample
from workloads.ogbg.files import MOLPCBA
from workloads.ogbg.raw import FILES

EXAMPLES = {"train": 30, "validation": 6, "test": 4}
REPOSITORY = Path(__file__).parents[3]


def read_rows(path):
    return gzip.decompress(path.read_bytes()).decode().splitlines()


@pytest.fixture
def raw(tmp_path):
    write_raw(tmp_path / "raw")
    return tmp_path / "raw"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    write_raw(folder / "pcba")
    prepare.process(folder, folder / "out")
    return folder / "out"


def read_back(prepared, split):
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(prepared / "ogbg_molpcba" / "0.1.3")
    return list(tfds.as_numpy(builder.as_dataset(split=split, shuffle_files=False)))


def test_folder_holds_the_thirteen_files_of_tensorflow_datasets(prepared):
    names = sorted(path.name for path in (prepared / "ogbg_molpcba" / "0.1.3").iterdir())
    assert names == [
        "dataset_info.json",
        "features.json",
        "metadata.json",
        "ogbg_molpcba-test.tfrecord-00000-of-00001",
        *(f"ogbg_molpcba-train.tfrecord-0000{k}-of-00008" for k in range(8)),
        "ogbg_molpcba-validation.tfrecord-00000-of-00001",
    ]
    assert [path.name for path in (prepared / "ogbg_molpcba").iterdir()] == ["0.1.3"]


def test_builder_of_tensorflow_datasets_finds_it_by_name(prepared):
    import tensorflow_datasets as tfds

    builder = tfds.builder("ogbg_molpcba:0.1.3", data_dir=str(prepared))
    counts = {name: info.num_examples for name, info in builder.info.splits.items()}
    assert counts == {"train": 30, "validation": 6, "test": 4}
    assert builder.info.splits["train"].shard_lengths == [4, 4, 3, 4, 4, 3, 4, 4]
    assert len(builder.info.metadata["tasks"]) == 128


def test_records_are_in_the_order_of_md5_of_split_name_and_index(prepared):
    expected = {"train": range(30), "validation": range(30, 36), "test": range(36, 40)}
    for split, indices in expected.items():
        hashes = {int(hashlib.md5((split + str(i)).encode()).hexdigest(), 16): i for i in indices}
        found = [int(example["node_feat"][0, 0]) for example in read_back(prepared, split)]
        assert found == [hashes[key] for key in sorted(hashes)]


def test_examples_read_back_as_they_were_in_the_raw_tables(prepared):
    for example in read_back(prepared, "train"):
        i = int(example["node_feat"][0, 0])
        size = 1 + i % 4
        assert example["num_nodes"].tolist() == [size]
        assert example["num_edges"].tolist() == [size - 1]
        assert example["node_feat"].tolist() == [[i, a, 2, 3, 4, 5, 6, 7, 8] for a in range(size)]
        assert example["edge_feat"].tolist() == [[i, b, 1] for b in range(size - 1)]
        assert example["edge_index"].tolist() == [[b, b + 1] for b in range(size - 1)]
        labels = [(np.nan, 0, 1)[(i + t) % 3] for t in range(128)]
        np.testing.assert_array_equal(example["labels"], np.array(labels, np.float32))


def test_second_conversion_does_nothing(prepared):
    prepare.process(Path("does-not-exist"), prepared)


def test_partial_result_of_someone_else_is_refused(raw, tmp_path):
    (tmp_path / "out" / "ogbg_molpcba" / "0.1.3").mkdir(parents=True)
    with pytest.raises(DataError, match="dataset_info.json is missing; remove .*0.1.3 and run"):
        prepare.process(raw, tmp_path / "out")


def drop_last_row(path):
    write_rows(path, read_rows(path)[:-1])


def drop_last_column(path):
    write_rows(path, [row.rpartition(",")[0] for row in read_rows(path)])


def truncate(path):
    path.write_bytes(path.read_bytes()[:-12])


def set_row_2(value):
    def change(path):
        write_rows(path, [*read_rows(path)[:1], value, *read_rows(path)[2:]])

    return change


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("raw/edge.csv.gz", Path.unlink, "raw/edge.csv.gz is missing"),
        ("raw/node-feat.csv.gz", truncate, "node-feat.csv.gz is damaged: Truncated"),
        ("raw/node-feat.csv.gz", drop_last_row, "node-feat.csv.gz has 99 rows, 100 are announced"),
        ("raw/graph-label.csv.gz", drop_last_row, "graph-label.csv.gz has 39 rows, 40 are"),
        ("raw/num-edge-list.csv.gz", drop_last_row, "has 39 rows, num-node-list.csv.gz 40"),
        ("raw/num-node-list.csv.gz", set_row_2("-2"), "num-node-list.csv.gz, row 2: -2"),
        ("raw/edge-feat.csv.gz", drop_last_column, "Row #1: Expected 3 columns, got 2"),
        ("raw/edge-feat.csv.gz", set_row_2("a,b,c"), "edge-feat.csv.gz is damaged: .*conversion"),
        ("raw/edge.csv.gz", set_row_2("1,"), "edge.csv.gz: an empty cell in rows 1 to 60"),
        ("raw/edge.csv.gz", set_row_2("0,3"), r"row 2: bond \[0, 3\] of a molecule with 3 atoms"),
        ("split/scaffold/test.csv.gz", set_row_2("40"), "all in 0..39; found 4 .* largest 40"),
        ("split/scaffold/test.csv.gz", set_row_2("35"), "molecule 35 is named 2 times"),
    ],
)
def test_wrong_raw_table_is_an_error_that_names_the_file(raw, tmp_path, name, damage, message):
    damage(raw / name)
    with pytest.raises(DataError, match=message):
        prepare.process(raw, tmp_path / "out")
    assert not (tmp_path / "out" / MOLPCBA.folder).exists()


def pack(raw, path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in FILES:
            archive.write(raw / name, f"pcba/{name}")


def test_prepare_converts_a_given_archive_and_keeps_it(raw, tmp_path):
    pack(raw, tmp_path / "pcba.zip")
    lines = []
    folder = prepare.prepare(
        tmp_path / "data", tmp_path / "pcba.zip", report=lines.append, examples=EXAMPLES
    )
    assert folder == tmp_path / "data" / "ogbg"
    assert len(list((folder / MOLPCBA.folder).iterdir())) == 13
    assert lines[0] == f"ogbg needs 0.87 GB of disk space in {tmp_path / 'data' / 'ogbg'}"
    assert (tmp_path / "pcba.zip").exists()
    assert [path.name for path in (tmp_path / "data" / "ogbg").iterdir()] == ["ogbg_molpcba"]
    prepare.prepare(
        tmp_path / "data", tmp_path / "pcba.zip", report=lines.append, examples=EXAMPLES
    )
    assert lines[-1] == f"{folder / MOLPCBA.folder} is there already"


@pytest.mark.parametrize("keep_download", [False, True])
def test_prepare_downloads_the_archive_first(raw, tmp_path, monkeypatch, keep_download):
    pack(raw, tmp_path / "pcba.zip")
    content = (tmp_path / "pcba.zip").read_bytes()
    download = dataclasses.replace(
        prepare.DOWNLOAD,
        url=(tmp_path / "pcba.zip").as_uri(),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    monkeypatch.setattr(prepare, "DOWNLOAD", download)
    folder = prepare.prepare(
        tmp_path / "data",
        keep_download=keep_download,
        report=lambda _: None,
        examples=EXAMPLES,
    )
    assert len(list((folder / MOLPCBA.folder).iterdir())) == 13
    assert (tmp_path / "data" / "ogbg" / "pcba.zip").exists() == keep_download


def test_archive_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match="other.zip is another archive than expected"):
        prepare.prepare(tmp_path / "data", tmp_path / "other.zip", report=lambda _: None)
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(DataError, match="text.zip is damaged or not a zip file"):
        prepare.prepare(tmp_path / "data", tmp_path / "text.zip", report=lambda _: None)
    with pytest.raises(DataError, match="none.zip does not exist"):
        prepare.prepare(tmp_path / "data", tmp_path / "none.zip", report=lambda _: None)


def test_result_of_another_size_is_refused_and_leaves_nothing(raw, tmp_path):
    with pytest.raises(DataError, match="'train' has 30 examples, .* 350,343; replace"):
        prepare.prepare(tmp_path / "data", raw, report=lambda _: None)
    assert not (tmp_path / "data" / "ogbg" / MOLPCBA.folder).exists()


def run_script(*arguments):
    return subprocess.run(
        [sys.executable, "scripts/prepare_data.py", *map(str, arguments)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )


def test_script_prints_one_line_and_exits_2_when_its_reader_can_mend_it(tmp_path):
    result = run_script("ogbg", "--data_dir", tmp_path, "--raw", tmp_path / "none.zip")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"error: {tmp_path / 'none.zip'} does not exist")


def test_script_prints_help(tmp_path):
    result = run_script("--help")
    assert result.returncode == 0
    assert "--keep_download" in result.stdout


def test_sample_has_every_file_it_names_and_a_license():
    folder = Path(sample.__file__).parent
    assert all((folder / name).stat().st_size > 0 for name in (*sample.FILES, "LICENSE"))
    total = sum((folder / name).stat().st_size for name in sample.FILES)
    assert total < 250_000


def test_sample_is_expanded_to_a_data_set_of_4885_molecules(tmp_path):
    source = sample.root(tmp_path / "cache")
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(source / "ogbg_molpcba" / "0.1.3")
    counts = {name: info.num_examples for name, info in builder.info.splits.items()}
    assert counts == {"train": 3908, "validation": 488, "test": 489}
    shutil.rmtree(source)
