"""Preparation of ogbg-molpcba: download, and conversion to the layout of TensorFlow Datasets.

The upstream archive (Hu et al., "Open Graph Benchmark", 2020) holds gzip-compressed CSV tables
with the rows of all molecules one after the other. The benchmark reads the files that TensorFlow
Datasets makes of them, data set `ogbg_molpcba` version 0.1.3; `process` writes the same records in
the same order.
"""

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_jax.cpu_tensorflow import import_tensorflow
from algoperf_jax.data.download import Download, fetch, require_disk
from algoperf_jax.errors import DataError
from workloads.ogbg.molecules import (
    DATASET,
    EDGE_FEATURES,
    NODE_FEATURES,
    SHARDS,
    TASKS,
    home,
    shard_paths,
)
from workloads.ogbg.raw import FILES, RawMolecules, read_raw

DOWNLOAD = Download(
    url="https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/pcba.zip",
    size=39_533_472,
    sha256="0bb12da2f3ec8b0bb80564114a6174fad2df6a3a0d3c19470b3a27813a7d4e53",
)

PREPARED_BYTES = 830_000_000
"""Size of the 13 files that `process` writes for the full data set."""

_SPLIT_NAMES = {"train": "train", "validation": "valid", "test": "test"}
_METADATA_FILES = ("dataset_info.json", "features.json", "metadata.json")


def disk_bytes_needed(raw: Path | None) -> int:
    """Returns the bytes `prepare` needs: for the result, and for what it downloads and unpacks."""
    unpacked = 0 if raw is not None and raw.is_dir() else DOWNLOAD.size  # gzip inside: same size
    downloaded = 0 if raw is not None else DOWNLOAD.size
    return downloaded + unpacked + PREPARED_BYTES


def prepare(
    data_dir: Path,
    raw: Path | None = None,
    *,
    keep_download: bool = False,
    report: Callable[[str], None] = print,
) -> Path:
    """Makes `data_dir/ogbg/ogbg_molpcba/0.1.3` and returns that folder.

    Args:
      data_dir: where all workloads' data sets are kept; a data set directly in it is found, too.
      raw: `pcba.zip`, or a folder that it was unpacked to; downloaded when None.
      keep_download: whether the downloaded archive stays in `data_dir/ogbg`.
      report: called with lines for the user.

    Raises:
      DataError: the disk is too small, or the download or the raw files are not as they should be.
    """
    source = home(data_dir)
    final = source / DATASET
    if _is_there(source):
        report(f"{final} is there already")
        return final
    needed = disk_bytes_needed(raw)
    report(f"ogbg needs {needed / 1e9:.2f} GB of disk space in {source}")
    require_disk(source, needed)
    source.mkdir(parents=True, exist_ok=True)
    archive = fetch(DOWNLOAD, source) if raw is None else raw
    if archive.is_dir():
        process(archive, source)
    else:
        with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=source) as folder:
            unpack(archive, Path(folder))
            report(f"converting {archive}; this takes some minutes")
            process(Path(folder), source)
    if raw is None and not keep_download:
        archive.unlink()
    report(f"{final} is ready")
    return final


def unpack(archive: Path, destination: Path) -> None:
    """Writes the archive's tables to `destination/raw` and `destination/split/scaffold`."""
    try:
        with zipfile.ZipFile(archive) as members:
            for name in FILES:
                path = destination / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with members.open(f"pcba/{name}") as packed, open(path, "wb") as file:
                    shutil.copyfileobj(packed, file)
    except FileNotFoundError:
        raise DataError(f"{archive} does not exist; --raw takes pcba.zip or its folder") from None
    except KeyError as error:
        raise DataError(f"{archive} is not the archive of ogbg-molpcba: {error.args[0]}") from None
    except zipfile.BadZipFile as error:
        raise DataError(
            f"{archive} is damaged or not a zip file ({error}); download {DOWNLOAD.url} again"
        ) from None


def process(raw_dir: Path, output_dir: Path) -> None:
    """Converts raw tables to the data set `output_dir/ogbg_molpcba/0.1.3`.

    Each split's records are sorted by the MD5 hash of the split's name followed by the molecule's
    index, and cut into shards of equal length: the order of TensorFlow Datasets. The folder appears
    complete or not at all; when it is there already, nothing is done. Takes about 1 GB of memory
    for the full data set.

    Args:
      raw_dir: a folder with `raw` and `split/scaffold`, or with the archive's folder `pcba`. A file
        `tasks.txt` in it, one name a line, names the tasks; default: the names of the PCBA assays.
      output_dir: made if it does not exist.

    Raises:
      DataError: a table is missing, damaged, or disagrees with another; names the file, and the row
        where there is one. Also when a part of the result is there already.
    """
    if _is_there(output_dir):
        return
    final = output_dir / DATASET
    if not (raw_dir / "raw").exists() and (raw_dir / "pcba").exists():
        raw_dir = raw_dir / "pcba"
    raw = read_raw(raw_dir)
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=final.parent) as folder:
        unfinished = Path(folder)
        _write(raw, _task_names(raw_dir), unfinished)
        result = unfinished / DATASET
        try:
            os.rename(result, final)
        except OSError:
            if not _is_there(output_dir):  # else another process was faster
                raise


def _is_there(source: Path) -> bool:
    """Whether `source` has the data set; a `DataError` when it has a part of it only."""
    folder = source / DATASET
    records = [path for split in SHARDS for path in shard_paths(source, split)]
    missing = [p for p in records + [folder / name for name in _METADATA_FILES] if not p.exists()]
    if folder.exists() and missing:
        raise DataError(f"{missing[0]} is missing; remove {folder} and run the command again")
    return folder.exists()


def _task_names(raw_dir: Path) -> list[str]:
    import tensorflow_datasets as tfds

    own = raw_dir / "tasks.txt"
    path = own if own.exists() else tfds.core.tfds_path("datasets/ogbg_molpcba/tasks.txt")
    return path.read_text().splitlines()


def _write(raw: RawMolecules, task_names: list[str], output_dir: Path) -> None:
    """Writes all shards and the metadata below `output_dir`."""
    import tensorflow_datasets as tfds

    folder = output_dir / DATASET
    folder.mkdir(parents=True)
    features = _features()
    template = tfds.core.ShardedFileTemplate(
        data_dir=tfds.core.Path(folder), dataset_name=DATASET.parts[0], filetype_suffix="tfrecord"
    )
    split_infos = []
    for split in SHARDS:
        lengths, size = _write_split(raw, split, features, shard_paths(output_dir, split))
        split_infos.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=lengths,
                num_bytes=size,
                filename_template=template.replace(split=split),
            )
        )
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=features,
        split_infos=split_infos,
        version=DATASET.parts[1],
        filename_template=template,
        check_data=False,
        homepage="https://ogb.stanford.edu/docs/graphprop",
        metadata=tfds.core.MetadataDict(
            tasks=task_names, graph_visualizer={"edgelist_feature_name": "edge_index"}
        ),
    )


def _features() -> Any:
    """Returns the feature dictionary of `ogbg_molpcba:0.1.3`."""
    import tensorflow_datasets as tfds

    tensor = tfds.features.Tensor
    return tfds.features.FeaturesDict(
        {
            "num_nodes": tensor(shape=(None,), dtype=np.int64),
            "node_feat": tensor(shape=(None, NODE_FEATURES), dtype=np.float32),
            "num_edges": tensor(shape=(None,), dtype=np.int64),
            "edge_feat": tensor(shape=(None, EDGE_FEATURES), dtype=np.float32),
            "edge_index": tensor(shape=(None, 2), dtype=np.int64),
            "labels": tensor(shape=(TASKS,), dtype=np.float32),
        }
    )


def record_order(split: str, indices: np.ndarray) -> np.ndarray:
    """Returns the molecules' indices in stored order: sorted by MD5(split name + index)."""
    keys = [hashlib.md5(f"{split}{index}".encode()).digest() for index in indices.tolist()]
    return indices[sorted(range(len(keys)), key=keys.__getitem__)]


def shard_borders(records: int, shards: int) -> list[int]:
    """Returns where each shard begins, and the end of the last."""
    return [round(records * k / shards) for k in range(shards + 1)]


def _write_split(
    raw: RawMolecules, split: str, features: Any, paths: list[Path]
) -> tuple[list[int], int]:
    """Writes the shards of a split; returns the records in each and the bytes in all."""
    tf = import_tensorflow()
    order = record_order(split, raw.splits[_SPLIT_NAMES[split]])
    borders = shard_borders(len(order), len(paths))
    size = 0
    for k, path in enumerate(paths):
        with tf.io.TFRecordWriter(str(path)) as writer:
            for example in _examples(raw, order[borders[k] : borders[k + 1]]):
                record = features.serialize_example(example)
                writer.write(record)
                size += len(record)
    return np.diff(borders).tolist(), size


def _examples(raw: RawMolecules, indices: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    for i in indices:
        atoms = slice(raw.node_offsets[i], raw.node_offsets[i + 1])
        bonds = slice(raw.edge_offsets[i], raw.edge_offsets[i + 1])
        yield {
            "num_nodes": np.diff(raw.node_offsets[i : i + 2]),
            "node_feat": raw.node_feat[atoms],
            "num_edges": np.diff(raw.edge_offsets[i : i + 2]),
            "edge_feat": raw.edge_feat[bonds],
            "edge_index": raw.edge_index[bonds],
            "labels": raw.labels[i],
        }
