"""Prepared fastMRI opened: training volumes, and held-out slices."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from algoperf_jax.data.array_folder import open_arrays
from algoperf_jax.data.stored import Location
from algoperf_jax.errors import DataError
from workloads.fastmri import sample
from workloads.fastmri.files import FASTMRI, Scans
from workloads.fastmri.philox import Seed, fold
from workloads.fastmri.slices import Slice, mask, processed


class _Places(NamedTuple):
    """Where the slices of volumes are, the volumes sorted by name.

    Attributes:
      written: int64 `[n]`, which of the slices that were written each one is.
      widths: int64 `[n]`, columns of its measurements.
      starts: int64 `[n]`, columns of all those that were written before it.
      volumes: slices of each volume.
    """

    written: np.ndarray
    widths: np.ndarray
    starts: np.ndarray
    volumes: Sequence[int]


def _places(volumes: Sequence[tuple[str, int, int]]) -> _Places:
    """The places of slices from names, slices and columns of volumes, as they were written."""
    counts = np.array([slices for _, slices, _ in volumes])
    widths = np.repeat([width for _, _, width in volumes], counts)
    starts = np.cumsum(widths) - widths
    first = np.cumsum(counts) - counts
    by_name = sorted(range(len(volumes)), key=lambda i: volumes[i][0])
    written = np.concatenate([np.arange(first[i], first[i] + counts[i]) for i in by_name])
    return _Places(written, widths[written], starts[written], counts[by_name].tolist())


class TrainingSlices:
    """The slices of the training volumes. Reading keeps no state, so threads may share it."""

    def __init__(self, location: Location, scans: Scans):
        """Maps the volumes into memory.

        Raises:
          DataError: they are incomplete.
        """
        folder = scans.train
        facts, self._arrays = open_arrays(
            location.root / folder.folder, folder.forms, location.remedy(folder.folder)
        )
        self._places = _places(facts.more)
        self._size = scans.size

    def __len__(self) -> int:
        return len(self._places.written)

    def slices(self, ids: np.ndarray, seed: Seed) -> tuple[Slice, np.ndarray]:
        """Some slices, each with a mask of its own, and the largest values of their volumes.

        Args:
          ids: in the order of the volumes' names.
          seed: of the masks of all slices.
        """
        images = (np.empty((len(ids), self._size, self._size), np.float32) for _ in range(2))
        found = Slice(*images, *(np.empty(len(ids), np.float32) for _ in range(2)))
        for place, i in enumerate(ids.tolist()):
            for array, value in zip(found, self._slice(i, seed), strict=True):
                array[place] = value
        return found, self._arrays["volume_max"][self._places.written[ids]]

    def _slice(self, i: int, seed: Seed) -> Slice:
        width, k = int(self._places.widths[i]), self._places.written[i]
        start = self._size * int(self._places.starts[i])
        rows = self._arrays["rows"][start : start + self._size * width]
        measured = mask(width, fold(seed, i))
        return processed(rows.reshape(self._size, width), self._arrays["targets"][k], measured)


class HeldOutSlices:
    """The slices of a split that is held out, as the model sees them."""

    def __init__(self, arrays: dict[str, np.ndarray], written: np.ndarray):
        """Takes the arrays of all of them, and which are those of the split."""
        self._arrays, self._written = arrays, written

    def __len__(self) -> int:
        return len(self._written)

    def slices(self, ids: np.ndarray) -> tuple[Slice, np.ndarray]:
        """Some slices, and the largest values of their volumes."""
        k = self._written[ids]
        fields = (self._arrays[name][k] for name in Slice._fields)
        return Slice(*fields), self._arrays["volume_max"][k]


class ScanData(NamedTuple):
    """The opened data set.

    Attributes:
      train: the training slices.
      held_out: those of `"validation"` and `"test"`.
    """

    train: TrainingSlices
    held_out: dict[str, HeldOutSlices]


def open_scans(data_dir: Path | None, cache_dir: Path, scans: Scans = FASTMRI) -> ScanData:
    """Opens fastMRI below `data_dir`, or else the expanded sample.

    Raises:
      DataError: a set is missing or incomplete, has another number of slices than it should, or
        was made of files that have changed.
    """
    stored = scans.stored
    location = stored.located(data_dir, lambda: sample.root(cache_dir), stored.examples)
    folder = scans.held_out
    remedy = location.remedy(folder.folder)
    facts, arrays = open_arrays(location.root / folder.folder, folder.forms, remedy)
    places = _places(facts.more)
    ends = list(itertools.accumulate(places.volumes))
    border = ends[min(scans.validation_volumes, len(ends)) - 1]
    if border != scans.validation_slices:
        raise DataError(
            f"{location.root / folder.folder}: the first {scans.validation_volumes} volumes have "
            f"{border:,} slices, there should be {scans.validation_slices:,}; {remedy}"
        )
    parts = {"validation": places.written[:border], "test": places.written[border:]}
    held_out = {split: HeldOutSlices(arrays, written) for split, written in parts.items()}
    return ScanData(TrainingSlices(location, scans), held_out)
