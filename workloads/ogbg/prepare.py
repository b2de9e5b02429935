"""Preparation of ogbg-molpcba: download, and conversion to the layout of TensorFlow Datasets.

The upstream archive (Hu et al., "Open Graph Benchmark", 2020) holds gzip-compressed CSV tables
with the rows of all molecules one after the other. The benchmark reads the files that TensorFlow
Datasets makes of them, data set `ogbg_molpcba` version 0.1.3; `process` writes the same records in
the same order.
"""

import functools
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_jax.data import preparation
from algoperf_jax.data.archives import unpack_zip
from algoperf_jax.data.download import Download
from algoperf_jax.data.prepared_folder import write_atomically
from algoperf_jax.data.tfds_folder import NewSplit, write_dataset
from algoperf_jax.errors import DataError
from workloads.ogbg.files import MOLPCBA, STORED
from workloads.ogbg.molecules import EDGE_FEATURES, NODE_FEATURES, TASKS
from workloads.ogbg.raw import FILES, RawMolecules, read_raw

DOWNLOAD = Download(
    url="https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/pcba.zip",
    size=39_533_472,
    sha256="0bb12da2f3ec8b0bb80564114a6174fad2df6a3a0d3c19470b3a27813a7d4e53",
)

PREPARED_BYTES = 830_000_000
"""Size of the 13 files that are written for the full data set."""

_SPLIT_NAMES = {"train": "train", "validation": "valid", "test": "test"}


def prepare(
    data_dir: Path,
    raw: Path | None = None,
    *,
    keep_download: bool = False,
    report: Callable[[str], None] = print,
    examples: Mapping[str, int] = STORED.examples,
) -> Path:
    """Makes `data_dir/ogbg/ogbg_molpcba/0.1.3` and returns the folder that holds it.

    Args:
      data_dir: where all workloads' data sets are kept; a data set directly in it is found, too.
      raw: `pcba.zip`, or a folder that it was unpacked to; downloaded when None.
      keep_download, report, examples: see `preparation.prepare`.

    Raises:
      DataError: the disk is too small, or the download or the raw files are not as they should be.
    """
    step = preparation.Step(
        dataset=MOLPCBA,
        given=_given,
        disk_bytes=_disk_bytes,
        write=_write_from,
        download=DOWNLOAD,
        note="this takes some minutes",
    )
    return preparation.prepare(
        STORED,
        [step],
        data_dir,
        raw,
        keep_download=keep_download,
        report=report,
        examples=examples,
    )


def _given(raw: Path | None) -> Path | None:
    if raw is not None and not raw.exists():
        raise DataError(
            f"{raw} does not exist; --raw takes pcba.zip or the folder it was unpacked to"
        )
    return raw


def _disk_bytes(given: Path | None) -> int:
    downloaded = DOWNLOAD.size if given is None else 0
    unpacked = 0 if given is not None and given.is_dir() else DOWNLOAD.size  # gzip inside
    return downloaded + unpacked + PREPARED_BYTES


def _write_from(given: Path, output_dir: Path) -> None:
    """Writes the data set from the archive or its folder."""
    if given.is_dir():
        _write(given, output_dir)
        return
    with tempfile.TemporaryDirectory(dir=output_dir) as folder:
        unpack_zip(given, Path(folder), FILES, within="pcba/")
        _write(Path(folder), output_dir)


def process(raw_dir: Path, output_dir: Path) -> None:
    """Converts raw tables to the data set `output_dir/ogbg_molpcba/0.1.3`.

    The folder appears complete or not at all; when it is there already, nothing is done. Takes
    about 1 GB of memory for the full data set.

    Args:
      raw_dir: a folder with `raw` and `split/scaffold`, or with the archive's folder `pcba`. A file
        `tasks.txt` in it, one name a line, names the tasks; default: the names of the PCBA assays.
      output_dir: made if it does not exist.

    Raises:
      DataError: a table is missing, damaged, or disagrees with another; names the file, and the row
        where there is one. Also when a part of the result is there already.
    """
    write_atomically(MOLPCBA, output_dir, functools.partial(_write, raw_dir))


def _task_names(raw_dir: Path) -> list[str]:
    import tensorflow_datasets as tfds

    own = raw_dir / "tasks.txt"
    path = own if own.exists() else tfds.core.tfds_path("datasets/ogbg_molpcba/tasks.txt")
    return path.read_text().splitlines()


def _write(raw_dir: Path, output_dir: Path) -> None:
    """Writes all shards and the metadata below `output_dir`."""
    import tensorflow_datasets as tfds

    if not (raw_dir / "raw").exists() and (raw_dir / "pcba").exists():
        raw_dir = raw_dir / "pcba"
    raw, task_names = read_raw(raw_dir), _task_names(raw_dir)

    def split(name: str) -> NewSplit:
        indices = raw.splits[_SPLIT_NAMES[name]]
        return NewSplit(list(map(str, indices)), lambda k: _example(raw, indices[k]))

    write_dataset(
        MOLPCBA,
        output_dir,
        {name: split(name) for name in MOLPCBA.shards},
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
