"""The raw tables of ogbg-molpcba: gzip-compressed CSV without header, one row per item.

The rows of all molecules follow one another, in the order of the molecules; two lists say how many
atoms and bonds each molecule has.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_jax.errors import DataError
from workloads.ogbg.molecules import EDGE_FEATURES, NODE_FEATURES, TASKS

_SPLITS = ("train", "valid", "test")

FILES = (
    "raw/num-node-list.csv.gz",
    "raw/num-edge-list.csv.gz",
    "raw/node-feat.csv.gz",
    "raw/edge.csv.gz",
    "raw/edge-feat.csv.gz",
    "raw/graph-label.csv.gz",
    *(f"split/scaffold/{split}.csv.gz" for split in _SPLITS),
)

_BLOCK_BYTES = 1 << 22


@dataclasses.dataclass(frozen=True)
class RawMolecules:
    """All molecules of the raw tables.

    Attributes:
      node_feat: float32 `[atoms, 9]`.
      edge_feat: float32 `[bonds, 3]`.
      edge_index: int64 `[bonds, 2]`, atoms counted within the molecule.
      labels: float32 `[molecules, 128]`, NaN where missing.
      node_offsets, edge_offsets: int64 `[molecules + 1]`.
      splits: indices of the molecules in `"train"`, `"valid"` and `"test"`, int64.
    """

    node_feat: np.ndarray
    edge_feat: np.ndarray
    edge_index: np.ndarray
    labels: np.ndarray
    node_offsets: np.ndarray
    edge_offsets: np.ndarray
    splits: dict[str, np.ndarray]


def read_raw(folder: Path) -> RawMolecules:
    """Reads the tables in `folder/raw` and `folder/split/scaffold` and checks that they agree.

    Raises:
      DataError: names the file, and the row (counted from 1) or the number of rows, that is wrong.
    """
    raw = folder / "raw"
    num_nodes = _read_list(raw / "num-node-list.csv.gz")
    num_edges = _read_list(raw / "num-edge-list.csv.gz")
    molecules = len(num_nodes)
    if len(num_edges) != molecules:
        raise DataError(
            f"{raw / 'num-edge-list.csv.gz'} has {len(num_edges):,} rows, num-node-list.csv.gz "
            f"{molecules:,}; both have one row per molecule"
        )
    atoms, bonds = int(num_nodes.sum()), int(num_edges.sum())
    edge_index = _read_table(raw / "edge.csv.gz", bonds, 2, np.int64)
    _check_edges(raw / "edge.csv.gz", edge_index, num_nodes, num_edges)
    return RawMolecules(
        node_feat=_read_table(raw / "node-feat.csv.gz", atoms, NODE_FEATURES, np.float32),
        edge_feat=_read_table(raw / "edge-feat.csv.gz", bonds, EDGE_FEATURES, np.float32),
        edge_index=edge_index,
        labels=_read_table(raw / "graph-label.csv.gz", molecules, TASKS, np.float32),
        node_offsets=np.concatenate([[0], np.cumsum(num_nodes)]),
        edge_offsets=np.concatenate([[0], np.cumsum(num_edges)]),
        splits=_read_splits(folder / "split" / "scaffold", molecules),
    )


def _read_splits(folder: Path, molecules: int) -> dict[str, np.ndarray]:
    splits = {split: _read_list(folder / f"{split}.csv.gz") for split in _SPLITS}
    for split, indices in splits.items():
        if len(indices) == 0 or indices.max() >= molecules:
            raise DataError(
                f"{folder / split}.csv.gz: expected at least one index, all in 0..{molecules - 1}; "
                f"found {len(indices):,} indices, the largest {indices.max(initial=-1)}"
            )
    times = np.bincount(np.concatenate(list(splits.values())), minlength=molecules)
    if times.max() > 1:
        raise DataError(
            f"{folder}: molecule {times.argmax()} is named {times.max()} times; a molecule belongs "
            "to one split, once"
        )
    return splits


def _check_edges(
    path: Path, edge_index: np.ndarray, num_nodes: np.ndarray, num_edges: np.ndarray
) -> None:
    atoms = np.repeat(num_nodes, num_edges)
    wrong = (edge_index < 0).any(axis=1) | (edge_index >= atoms[:, None]).any(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{path}, row {row + 1}: bond {edge_index[row].tolist()} of a molecule with "
            f"{atoms[row]} atoms; expected atom indices in 0..{atoms[row] - 1}"
        )


def _read_list(path: Path) -> np.ndarray:
    """Returns the numbers of a table of one column, int64; none may be negative."""
    numbers = np.concatenate([np.empty((0, 1), np.int64), *_blocks(path, 1, np.int64)])[:, 0]
    if (numbers < 0).any():
        row = int(np.argmax(numbers < 0))
        raise DataError(f"{path}, row {row + 1}: {numbers[row]}; expected a number from 0 on")
    return numbers


def _read_table(path: Path, rows: int, columns: int, dtype: Any) -> np.ndarray:
    """Returns a table of a known shape; empty float cells become NaN."""
    table = np.empty((rows, columns), dtype)
    done = 0
    for block in _blocks(path, columns, dtype):
        end = done + len(block)
        if end <= rows:
            table[done:end] = block
        done = end
    if done != rows:
        raise DataError(f"{path} has {done:,} rows, {rows:,} are announced by the lists beside it")
    return table


def _blocks(path: Path, columns: int, dtype: Any) -> Iterator[np.ndarray]:
    """Yields a table in blocks of some megabytes."""
    import pyarrow as pa  # comes with tensorflow-datasets; parses much faster than numpy
    from pyarrow import csv

    names = [str(column) for column in range(columns)]
    column_type = pa.from_numpy_dtype(dtype)
    try:
        reader = csv.open_csv(
            pa.CompressedInputStream(pa.OSFile(str(path)), "gzip"),
            read_options=csv.ReadOptions(
                column_names=names, block_size=_BLOCK_BYTES, use_threads=False
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, column_type), null_values=["", "nan", "NaN"]
            ),
        )
        done = 0
        for block in reader:
            if np.issubdtype(dtype, np.integer) and any(c.null_count for c in block.columns):
                raise DataError(f"{path}: an empty cell in rows {done + 1} to {done + len(block)}")
            yield np.stack([c.to_numpy(zero_copy_only=False) for c in block.columns], axis=1)
            done += len(block)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; it is part of the raw data of ogbg-molpcba") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
