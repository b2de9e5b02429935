"""Small ImageNets in the layout of TensorFlow Datasets, written with TensorFlow's own writer."""

import itertools
from pathlib import Path

import numpy as np
from jpeg_files import encoded
from tfds_files import enter_split

from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from workloads.imagenet.files import IMAGENET

FOLDERS = {
    "train": Path("imagenet2012", "5.1.0"),
    "validation": Path("imagenet2012", "5.1.0"),
    "test": Path("imagenet_v2", "matched-frequency", "3.0.0"),
}
RED_PER_LABEL = 4
"""How the pictures of `write_pictures` show their labels, up to 63."""


def picture(label: int) -> bytes:
    """A JPEG file whose red channel tells the label; the others are noise, the size varies."""
    height, width = 20 + label % 5, 24 + label % 3
    image = np.full((height, width, 3), RED_PER_LABEL * label % 256, np.uint8)
    image[..., 1:] = np.random.default_rng(label).integers(100, 156, (height, width, 2))
    return encoded(image, quality=100, subsampling=0)


def record(
    image: bytes, label: int | list[int], file_name: str = "a.JPEG", without: str = ""
) -> bytes:
    """A serialised `tf.train.Example`, on request without one of its features."""
    tf = import_tensorflow()
    features = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=np.atleast_1d(label))),
        "file_name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[file_name.encode()])),
    }
    features.pop(without, None)
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def shard_path(root: Path, split: str, shard: int, shards: int) -> Path:
    """The path of a shard below `root`."""
    folder = FOLDERS[split]
    return root / folder / f"{folder.parts[0]}-{split}.tfrecord-{shard:05d}-of-{shards:05d}"


def write_shards(root: Path, split: str, shards: list[list[bytes]]) -> None:
    """Writes a split's records and enters them in `dataset_info.json`."""
    tf = import_tensorflow()
    folder = root / FOLDERS[split]
    folder.mkdir(parents=True, exist_ok=True)
    for k, records in enumerate(shards):
        with tf.io.TFRecordWriter(str(shard_path(root, split, k, len(shards)))) as writer:
            for content in records:
                writer.write(content)
    enter_split(folder, split, [len(records) for records in shards])
    for name in IMAGENET.metadata_files[1:]:
        (folder / name).touch()


def write_pictures(root: Path, split: str, shard_lengths: list[int]) -> None:
    """Writes a split in which the i-th record, counted through all shards, has label i."""
    labels = iter(range(sum(shard_lengths)))
    shards = [
        [record(picture(i), i, f"{split}_{i}.JPEG") for i in itertools.islice(labels, n)]
        for n in shard_lengths
    ]
    write_shards(root, split, shards)
