"""The molecules of ogbg-molpcba as flat arrays.

The data set is read from the files that TensorFlow Datasets keeps of `ogbg_molpcba:0.1.3`, in
their stored order. All features are small category codes, so a molecule takes a few hundred bytes
and the whole data set (437,929 molecules) about 250 MB.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping

import numpy as np

from algoperf_jax.data.examples import Column, Kind, parse_examples
from algoperf_jax.data.stored import Location
from algoperf_jax.data.tfrecords import Records
from algoperf_jax.errors import DataError

NODE_FEATURES = 9
EDGE_FEATURES = 3
TASKS = 128
MISSING = -1

_RECORDS_PER_PARSE = 4096
_KINDS: Mapping[str, Kind] = {
    "num_nodes": "int64",
    "num_edges": "int64",
    "node_feat": "float32",
    "edge_feat": "float32",
    "edge_index": "int64",
    "labels": "float32",
}


@dataclasses.dataclass(frozen=True)
class Molecules:
    """The molecules of one split, concatenated in stored order.

    Molecule i owns rows `node_offsets[i]:node_offsets[i + 1]` of the atom arrays and rows
    `edge_offsets[i]:edge_offsets[i + 1]` of the bond arrays. Each bond is stored once.

    Attributes:
      split: its name.
      node_feat: uint8 `[atoms, 9]`, category codes.
      edge_feat: uint8 `[bonds, 3]`, category codes.
      edge_index: uint16 `[bonds, 2]`, the two atoms of a bond, counted within the molecule.
      labels: int8 `[molecules, 128]`: 0, 1, or `MISSING` where the molecule was not tested.
      node_offsets: int64 `[molecules + 1]`.
      edge_offsets: int64 `[molecules + 1]`.
    """

    split: str
    node_feat: np.ndarray
    edge_feat: np.ndarray
    edge_index: np.ndarray
    labels: np.ndarray
    node_offsets: np.ndarray
    edge_offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @functools.cached_property
    def num_nodes(self) -> np.ndarray:
        """Atoms of each molecule, int64 `[molecules]`."""
        return np.diff(self.node_offsets)

    @functools.cached_property
    def num_edges(self) -> np.ndarray:
        """Directed edges of each molecule, two per bond, int64 `[molecules]`."""
        return 2 * np.diff(self.edge_offsets)


def load(split: str, location: Location) -> Molecules:
    """Reads a split's TFRecord files, in stored order.

    Args:
      split: `"train"`, `"validation"` or `"test"`.
      location: where the data set lies.

    Raises:
      DataError: a file is missing or damaged, or a record does not describe a molecule with
        category codes in 0..255; names the file or the record.
    """
    records = location.records(split)
    batches = list(_columns(records))
    columns = {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
    return _checked(split, columns)


def _columns(records: Records) -> Iterator[dict[str, np.ndarray]]:
    """Yields the columns of some thousand records at a time."""
    for begin in range(0, len(records), _RECORDS_PER_PARSE):
        ids = np.arange(begin, min(begin + _RECORDS_PER_PARSE, len(records)))
        try:
            yield _to_columns(parse_examples(records.read(ids), _KINDS))
        except ValueError as error:
            position, _, reason = str(error).partition(": ")
            where = records.where(begin + int(position))
            raise DataError(f"{where} is damaged: {reason}; {records.remedy}") from None


def _to_columns(parsed: Mapping[str, Column]) -> dict[str, np.ndarray]:
    """The columns as arrays; small types where the values allow it.

    Raises:
      ValueError: a record has another number of values than it should; its text begins with the
        record's position.
    """
    columns = {}
    for key, count in (("num_nodes", 1), ("num_edges", 1), ("labels", TASKS)):
        values, lengths = parsed[key]
        if (lengths != count).any():
            record = int(np.argmax(lengths != count))
            found = lengths[record]
            raise ValueError(f"{record}: {key} has {found} values where {count} are due")
        columns[key] = values if count == 1 else values.reshape(-1, count)
    for key in ("node_feat", "edge_feat", "edge_index"):
        values, columns[key + "_length"] = parsed[key]
        with np.errstate(invalid="ignore"):  # what does not fit is reported with its record later
            small = values.astype(np.uint16)
        columns[key] = small if (small == values).all() else values
    return columns


def _checked(split: str, columns: dict[str, np.ndarray]) -> Molecules:
    """Builds `Molecules` from columns; a `DataError` names the first record that is wrong."""
    num_nodes, num_edges = columns["num_nodes"], columns["num_edges"]
    expected_lengths = {
        "node_feat": NODE_FEATURES * num_nodes,
        "edge_feat": EDGE_FEATURES * num_edges,
        "edge_index": 2 * num_edges,
    }
    for key, expected in expected_lengths.items():
        found = columns[key + "_length"]
        _require(split, found == expected, f"{key} has a wrong length", found, expected)
    node_offsets, edge_offsets = _offsets(num_nodes), _offsets(num_edges)

    arrays = {}
    for key, width, offsets in (
        ("node_feat", NODE_FEATURES, node_offsets),
        ("edge_feat", EDGE_FEATURES, edge_offsets),
    ):
        values = columns[key].reshape(-1, width)
        # `values` is uint16 unless a number did not fit into it.
        with np.errstate(invalid="ignore"):
            codes = values.astype(np.uint8)
        what = f"a value of {key} is not an integer in 0..255"
        _require(split, (codes == values).all(axis=1), what, values, "0..255", offsets)
        arrays[key] = codes

    edge_index = columns["edge_index"].reshape(-1, 2)
    limit = np.repeat(num_nodes, num_edges)[:, None]
    inside = ((edge_index >= 0) & (edge_index < limit)).all(axis=1)
    what = "a bond names an atom that the molecule does not have"
    _require(split, inside, what, edge_index, np.repeat(num_nodes, num_edges), edge_offsets)

    labels = np.where(np.isnan(columns["labels"]), np.float32(MISSING), columns["labels"])
    valid = np.isnan(columns["labels"]) | (labels == 0) | (labels == 1)
    what = "a label is not 0, 1 or NaN"
    _require(split, valid.all(axis=1), what, labels, "0, 1 or NaN")
    return Molecules(
        split,
        arrays["node_feat"],
        arrays["edge_feat"],
        edge_index.astype(np.uint16),
        labels.astype(np.int8),
        node_offsets,
        edge_offsets,
    )


def _offsets(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _require(split, valid, what, found, expected, offsets=None) -> None:
    """Raises a `DataError` that names the record of the first False in `valid`.

    `offsets` maps the rows of `valid` to records; without it row i belongs to record i.
    """
    if valid.all():
        return
    row = int(np.argmin(valid))
    record = row if offsets is None else int(np.searchsorted(offsets, row, side="right")) - 1
    limit = expected if isinstance(expected, str) else expected[row]
    raise DataError(
        f"split {split}, record {record} (counted over all its files): {what}; found "
        f"{np.asarray(found[row]).tolist()}, the limit or right value is {limit}"
    )
