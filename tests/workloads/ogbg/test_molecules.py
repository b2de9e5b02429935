"""Reading molecules from TFRecord files that TensorFlow Datasets' own serializer wrote."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tfds_files import enter_split

from algoperf_jax.errors import DataError
from workloads.ogbg import molecules, sample
from workloads.ogbg.files import MOLPCBA, STORED
from workloads.ogbg.molecules import load

REPOSITORY = Path(__file__).parents[3]


def example(index=0, *, nodes=3, bonds=((0, 1), (1, 2)), **changes):
    """A molecule as TensorFlow Datasets takes it; `index` is its first atom code."""
    record = {
        "num_nodes": np.array([nodes]),
        "num_edges": np.array([len(bonds)]),
        "node_feat": np.full((nodes, 9), index, np.float32),
        "edge_feat": np.full((len(bonds), 3), index, np.float32),
        "edge_index": np.array(bonds, np.int64).reshape(-1, 2),
        "labels": np.array([0, 1, np.nan, 1] * 32, np.float32),
    }
    return record | changes


def write(directory, split, examples):
    """Writes examples to the split's files, as many to each as go evenly."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    tensor = tfds.features.Tensor
    features = tfds.features.FeaturesDict(
        {
            "num_nodes": tensor(shape=(None,), dtype=np.int64),
            "num_edges": tensor(shape=(None,), dtype=np.int64),
            "node_feat": tensor(shape=(None, 9), dtype=np.float32),
            "edge_feat": tensor(shape=(None, 3), dtype=np.float32),
            "edge_index": tensor(shape=(None, 2), dtype=np.int64),
            "labels": tensor(shape=(128,), dtype=np.float32),
        }
    )
    paths = MOLPCBA.shard_paths(directory, split)
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    borders = [k * len(examples) // len(paths) for k in range(len(paths) + 1)]
    for path, begin, end in zip(paths, borders, borders[1:], strict=False):
        with tf.io.TFRecordWriter(str(path)) as writer:
            for i in range(begin, end):
                writer.write(features.serialize_example(examples[i]))
    enter_split(paths[0].parent, split, np.diff(borders).tolist())


def test_arrays_are_the_records_one_after_the_other(tmp_path):
    single_atom = example(200, nodes=1, bonds=())
    write(tmp_path, "validation", [example(7), single_atom, example(9, bonds=((2, 0),))])
    found = load("validation", STORED.in_data_dir(tmp_path))
    assert found.split == "validation"
    assert len(found) == 3
    assert found.node_offsets.tolist() == [0, 3, 4, 7]
    assert found.edge_offsets.tolist() == [0, 2, 2, 3]
    assert found.node_feat[:, 0].tolist() == [7, 7, 7, 200, 9, 9, 9]
    assert found.edge_feat.tolist() == [[7] * 3, [7] * 3, [9] * 3]
    assert found.edge_index.tolist() == [[0, 1], [1, 2], [2, 0]]
    assert found.labels[2].tolist() == [0, 1, molecules.MISSING, 1] * 32
    assert found.num_nodes.tolist() == [3, 1, 3]
    assert found.num_edges.tolist() == [4, 0, 2]


def test_types_are_small(tmp_path):
    write(tmp_path, "test", [example()])
    found = load("test", STORED.in_data_dir(tmp_path))
    assert found.node_feat.dtype == found.edge_feat.dtype == np.uint8
    assert found.edge_index.dtype == np.uint16
    assert found.labels.dtype == np.int8
    assert found.node_offsets.dtype == found.edge_offsets.dtype == np.int64


def test_shards_are_read_in_their_order(tmp_path):
    write(tmp_path, "train", [example(i) for i in range(20)])
    found = load("train", STORED.in_data_dir(tmp_path))
    assert found.node_feat[found.node_offsets[:-1], 0].tolist() == list(range(20))


def test_sample_is_what_its_raw_tables_say(tmp_path):
    found = load("validation", STORED.in_sample(sample.root(tmp_path)))
    raw = Path(sample.__file__).parent
    rows = np.loadtxt(raw / "split/scaffold/valid.csv.gz", dtype=int)
    sizes = np.loadtxt(raw / "raw/num-node-list.csv.gz", dtype=int)
    labels = np.loadtxt(raw / "raw/graph-label.csv.gz", dtype=int, delimiter=",")
    assert sorted(found.num_nodes) == sorted(sizes[rows])
    np.testing.assert_array_equal(found.labels.sum(axis=0), labels[rows].sum(axis=0))


def changed(key, row, value):
    record = example()
    record[key][row] = value
    return record


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (changed("node_feat", (1, 4), 0.5), "a value of node_feat is not an integer in 0..255"),
        (changed("node_feat", (1, 4), 256), "a value of node_feat is not an integer in 0..255"),
        (changed("node_feat", (1, 4), -1), "a value of node_feat is not an integer in 0..255"),
        (changed("node_feat", (1, 4), np.nan), "a value of node_feat is not an integer"),
        (changed("edge_feat", (1, 0), 1e9), "a value of edge_feat is not an integer in 0..255"),
        (changed("edge_index", (1, 1), 3), r"found \[1, 3\], the limit or right value is 3"),
        (changed("edge_index", (1, 1), -1), "a bond names an atom that the molecule does not have"),
        (changed("labels", 5, 2), "a label is not 0, 1 or NaN"),
        (changed("labels", 5, molecules.MISSING), "a label is not 0, 1 or NaN"),
        (changed("num_nodes", 0, 4), "node_feat has a wrong length; found 27, .* value is 36"),
        (changed("num_edges", 0, 1), "edge_feat has a wrong length; found 6, .* value is 3"),
    ],
)
def test_wrong_record_is_an_error_that_names_it(tmp_path, record, message):
    write(tmp_path, "validation", [example(), example(), record, example()])
    with pytest.raises(DataError, match=f"split validation, record 2 .*{message}"):
        load("validation", STORED.in_data_dir(tmp_path))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("truncated", "ends in the middle of record 4"),
        ("flipped bit", "is damaged: its content does not fit its checksum"),
        ("other features", "record 0 is damaged: it has no feature"),
    ],
)
def test_damaged_file_is_an_error_that_names_it(tmp_path, what, message):
    write(tmp_path, "test", [example()] * 5)
    (path,) = MOLPCBA.shard_paths(tmp_path, "test")
    content = bytearray(path.read_bytes())
    if what == "truncated":
        del content[-10:]
    elif what == "flipped bit":
        content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if what == "other features":
        import tensorflow as tf

        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(tf.train.Example().SerializeToString())
        enter_split(path.parent, "test", [1])
    with pytest.raises(DataError) as error:
        load("test", STORED.in_data_dir(tmp_path))
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert "python scripts/prepare_data.py ogbg" in str(error.value)


def test_imports_bring_in_no_data_library():
    program = (
        "import sys, workloads.ogbg.dataset, workloads.ogbg.prepare; "
        "print(sorted({'tensorflow', 'tensorflow_datasets', 'pyarrow'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
