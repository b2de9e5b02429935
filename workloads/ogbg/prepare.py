"""Preparation of ogbg-molpcba: download, and conversion to the layout of TensorFlow Datasets.

The upstream archive (Hu et al., "Open Graph Benchmark", 2020) holds gzip-compressed CSV tables
with the rows of all molecules one after the other. The benchmark reads the files that TensorFlow
Datasets makes of them, data set `ogbg_molpcba` version 0.1.3; `process` writes the same records in
the same order.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_jax.data.download import Download, fetch, require_disk
from algoperf_jax.data.tfds_folder import Split, write_atomically, write_dataset
from algoperf_jax.errors import DataError
from workloads.ogbg.molecules import EDGE_FEATURES, NODE_FEATURES, STORED, TASKS, home
from workloads.ogbg.raw import FILES, RawMolecules, read_raw

DOWNLOAD = Download(
    url="https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/pcba.zip",
    size=39_533_472,
    sha256="0bb12da2f3ec8b0bb80564114a6174fad2df6a3a0d3c19470b3a27813a7d4e53",
)

PREPARED_BYTES = 830_000_000
"""Size of the 13 files that `process` writes for the full data set."""

_SPLIT_NAMES = {"train": "train", "validation": "valid", "test": "test"}


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
    final = source / STORED.folder
    if STORED.is_there(source):
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
    if STORED.is_there(output_dir):
        return
    if not (raw_dir / "raw").exists() and (raw_dir / "pcba").exists():
        raw_dir = raw_dir / "pcba"
    raw, task_names = read_raw(raw_dir), _task_names(raw_dir)
    write_atomically(STORED, output_dir, lambda folder: _write(raw, task_names, folder))


def _task_names(raw_dir: Path) -> list[str]:
    import tensorflow_datasets as tfds

    own = raw_dir / "tasks.txt"
    path = own if own.exists() else tfds.core.tfds_path("datasets/ogbg_molpcba/tasks.txt")
    return path.read_text().splitlines()


def _write(raw: RawMolecules, task_names: list[str], output_dir: Path) -> None:
    """Writes all shards and the metadata below `output_dir`."""
    import tensorflow_datasets as tfds

    def split(name: str) -> Split:
        indices = raw.splits[_SPLIT_NAMES[name]]
        return Split(list(map(str, indices)), lambda k: _example(raw, indices[k]))

    write_dataset(
        STORED,
        output_dir,
        {name: split(name) for name in STORED.shards},
        _features(),
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


def _example(raw: RawMolecules, i: int) -> dict[str, np.ndarray]:
    atoms = slice(raw.node_offsets[i], raw.node_offsets[i + 1])
    bonds = slice(raw.edge_offsets[i], raw.edge_offsets[i + 1])
    return {
        "num_nodes": np.diff(raw.node_offsets[i : i + 2]),
        "node_feat": raw.node_feat[atoms],
        "num_edges": np.diff(raw.edge_offsets[i : i + 2]),
        "edge_feat": raw.edge_feat[bonds],
        "edge_index": raw.edge_index[bonds],
        "labels": raw.labels[i],
    }
