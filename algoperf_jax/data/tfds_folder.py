"""Folders of TFRecord files as TensorFlow Datasets keeps them: described, checked and written.

`<name>[/<config>]/<version>` holds the shards of all splits beside `dataset_info.json` and
`features.json`; `tfds.builder` reads such a folder without a network.
"""

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from algoperf_jax.data.tfrecords import tfds_shards
from algoperf_jax.errors import DataError

INFO_FILE = "dataset_info.json"


@dataclasses.dataclass(frozen=True)
class TfdsFolder:
    """A data set's folder: what it and its files are called, and what is in them.

    Attributes:
      folder: `<name>/<version>` or `<name>/<config>/<version>`.
      shards: number of files that each split is written to.
      examples: of each split of the complete data set.
      metadata_files: what else the folder holds.
    """

    folder: Path
    shards: Mapping[str, int]
    examples: Mapping[str, int]
    metadata_files: tuple[str, ...] = (INFO_FILE, "features.json")

    @property
    def name(self) -> str:
        """The data set's name, with which its files' names begin."""
        return self.folder.parts[0]

    def shard_paths(self, root: Path, split: str) -> list[Path]:
        """Returns the paths that a split is written to; `root` is what holds `folder`."""
        total = self.shards[split]
        stem = f"{self.name}-{split}.tfrecord"
        return [root / self.folder / f"{stem}-{k:05d}-of-{total:05d}" for k in range(total)]

    def is_there(self, root: Path, remedy: str | None = None) -> bool:
        """Whether `root` has the data set, in whatever number of files.

        Args:
          root: what holds `folder`.
          remedy: what a person can do about missing files, the end of error messages.

        Raises:
          DataError: it has a part of it only; names the first missing file.
        """
        folder = root / self.folder
        if not folder.exists():
            return False
        remedy = remedy or f"remove {folder} and run the command again"
        for split in self.shards:
            tfds_shards(folder, self.name, split, remedy)
        for name in self.metadata_files:
            if not (folder / name).exists():
                raise DataError(f"{folder / name} is missing; {remedy}")
        return True

    def check_examples(self, root: Path, expected: Mapping[str, int], remedy: str) -> None:
        """Raises a `DataError` where a split's number of examples is not the one expected.

        Args:
          root: what holds the data set, `is_there`.
          expected: examples by split; other names in it are not looked at.
          remedy: the end of the error message.
        """
        folder = root / self.folder
        for split in self.shards:
            found = sum(tfds_shards(folder, self.name, split, remedy)[1])
            if found != expected.get(split, found):
                raise DataError(
                    f"{folder / INFO_FILE}: split {split!r} has {found:,} examples, there should "
                    f"be {expected[split]:,}; {remedy}"
                )


@dataclasses.dataclass(frozen=True)
class NewSplit:
    """The examples of a split, made one by one while they are written.

    Attributes:
      keys: one text per example, each different; decides the order in which examples are stored.
      example: `example(i)` returns the features of the example with `keys[i]`, as the feature
        dictionary's encoder takes them.
    """

    keys: Sequence[str]
    example: Callable[[int], Mapping[str, Any]]


def write_dataset(
    dataset: TfdsFolder,
    root: Path,
    splits: Mapping[str, NewSplit],
    features: Any,
    **info: Any,
) -> None:
    """Writes all shards and the metadata to `root / dataset.folder`, which must not exist.

    Args:
      dataset: names of folder and files.
      root: made if it does not exist.
      splits: examples of every split of `dataset`, in the order in which the metadata lists them.
      features: a `tfds.features.FeaturesDict`.
      **info: goes to `tfds.core.DatasetInfo`: homepage, metadata.
    """
    import_tensorflow()  # hides GPUs before TFDS imports it
    import tensorflow_datasets as tfds

    folder = root / dataset.folder
    folder.mkdir(parents=True)
    template = tfds.core.ShardedFileTemplate(
        data_dir=tfds.core.Path(folder), dataset_name=dataset.name, filetype_suffix="tfrecord"
    )
    split_infos = []
    for name, split in splits.items():
        lengths, size = _write_split(name, split, features, dataset.shard_paths(root, name))
        split_infos.append(
            tfds.core.SplitInfo(
                name=name,
                shard_lengths=lengths,
                num_bytes=size,
                filename_template=template.replace(split=name),
            )
        )
    name, *config, version = dataset.folder.parts
    identity = tfds.core.DatasetIdentity(
        name=name,
        version=tfds.core.Version(version),
        data_dir=str(folder),
        module_name="",
        config_name=config[0] if config else None,
    )
    metadata = tfds.core.DatasetInfo(builder=identity, features=features, **info)
    metadata.set_file_format("tfrecord")
    metadata.set_splits(tfds.core.SplitDict(split_infos))
    metadata.write_to_directory(folder)


def stored_order(split: str, keys: Sequence[str]) -> list[int]:
    """Returns the positions of `keys` in the order of TensorFlow Datasets' files.

    That is the order of the MD5 hashes of the split's name followed by the key.
    """
    hashes = [hashlib.md5(f"{split}{key}".encode()).digest() for key in keys]
    return sorted(range(len(keys)), key=hashes.__getitem__)


def shard_borders(records: int, shards: int) -> list[int]:
    """Returns where each shard begins, and the end of the last."""
    return [round(records * k / shards) for k in range(shards + 1)]


def _write_split(
    name: str, split: NewSplit, features: Any, paths: Sequence[Path]
) -> tuple[list[int], int]:
    """Writes the shards of a split; returns the records in each and the bytes in all."""
    tf = import_tensorflow()
    order = stored_order(name, split.keys)
    borders = shard_borders(len(order), len(paths))
    size = 0
    for k, path in enumerate(paths):
        with tf.io.TFRecordWriter(str(path)) as writer:
            for i in order[borders[k] : borders[k + 1]]:
                record = features.serialize_example(split.example(i))
                # Features in alphabetic order: by itself protobuf's differs from run to run.
                example = tf.train.Example.FromString(record)
                writer.write(example.SerializeToString(deterministic=True))
                size += len(record)
    return [end - begin for begin, end in itertools.pairwise(borders)], size
