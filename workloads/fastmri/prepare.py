"""Preparation of fastMRI's knees: volumes are transformed once, into arrays."""

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from algoperf_jax.data import preparation
from algoperf_jax.data.array_folder import ArrayFolder, signatures, write_arrays
from algoperf_jax.data.batches import built_ahead
from algoperf_jax.errors import DataError
from workloads.fastmri.files import FASTMRI, HELD_OUT, TRAIN, Scans
from workloads.fastmri.slices import EVALUATION_SEED, mask, processed, transform_rows
from workloads.fastmri.volumes import Volume, VolumeFile, read_volume, source_of, volume_files

SOURCE = "https://fastmri.med.nyu.edu"
"""Where upstream gives the archives to those who register."""

MOST_AHEAD = 8
"""Volumes that are converted beside the one that is written; each takes 0.4 GB of memory."""

_COLUMNS = 1.17  # of measurements, for each of an image; about as many as there are

Arrays = Mapping[str, np.ndarray]


def prepare(
    data_dir: Path,
    raw: Path | None = None,
    *,
    keep_download: bool = False,
    report: Callable[[str], None] = print,
    scans: Scans = FASTMRI,
) -> Path:
    """Makes folders of arrays of training and held-out volumes in `data_dir/fastmri`.

    Args:
      data_dir: where all workloads' data sets are kept.
      raw: a folder with upstream's archives or what they unpack to, see `volumes.source_of`;
        needed while a set is missing. It may be `data_dir/fastmri` itself. Archives are read as
        they are, without unpacking them to the disk.
      keep_download: has no bearing, as nothing is downloaded.
      report: called with lines for the user.
      scans: what is to be made.

    Returns:
      The folder that holds both.

    Raises:
      DataError: a file is missing or is not what it should be, the disk is too small, or another
        process is at it.
    """
    steps = [
        _step(HELD_OUT, scans.held_out, _held_out_slices, scans),
        _step(TRAIN, scans.train, _training_rows, scans),
    ]
    return preparation.prepare(
        scans.stored,
        steps,
        data_dir,
        raw,
        keep_download=keep_download,
        report=report,
        examples=scans.stored.examples,
    )


def _step(
    name: str, folder: ArrayFolder, convert: Callable[[Volume, Scans], Arrays], scans: Scans
) -> preparation.Step:
    """Returns how a set is made."""
    pixels = sum(folder.examples.values()) * scans.size**2
    # An image of 4 bytes a pixel, and another one, or complex numbers.
    disk_bytes = round(pixels * (4 + (4 if name == HELD_OUT else 8 * _COLUMNS)) * 1.02)
    return preparation.Step(
        dataset=folder,
        given=functools.partial(_given, name, scans),
        disk_bytes=lambda given: disk_bytes,
        write=functools.partial(_write, folder, convert, scans),
        note="this takes some minutes" if name == HELD_OUT else "this takes a while",
    )


def _given(name: str, scans: Scans, raw: Path | None) -> Path:
    if raw is None:
        raise DataError(
            f"fastmri is given to those who register at {SOURCE}, so it is not downloaded: get "
            "knee_singlecoil_train.tar.xz and knee_singlecoil_val.tar.xz and name the folder with "
            "--raw"
        )
    source = source_of(raw, name)
    if source.is_dir() and (found := len(list(source.glob("*.h5")))) != scans.volumes[name]:
        raise DataError(
            f"{source} has {found} files that end in .h5, there should be {scans.volumes[name]}; "
            "unpack the archive again"
        )
    return source


def _write(
    folder: ArrayFolder,
    convert: Callable[[Volume, Scans], Arrays],
    scans: Scans,
    source: Path,
    unfinished: Path,
) -> None:
    """Writes a set's folder below `unfinished`."""
    paths = sorted(source.glob("*.h5")) if source.is_dir() else [source]
    volumes: list[tuple[str, int, int]] = []
    parts = _converted(source, convert, scans, volumes)
    write_arrays(unfinished / folder.folder, folder.forms, parts, signatures(paths), volumes)


def _converted(
    source: Path,
    convert: Callable[[Volume, Scans], Arrays],
    scans: Scans,
    volumes: list[tuple[str, int, int]],
) -> Iterator[Arrays]:
    """Yields each volume's arrays, and notes its name, slices and columns in `volumes`."""

    def converted(file: VolumeFile) -> tuple[tuple[str, int, int], Arrays]:
        volume = read_volume(file, scans)
        slices, _, width = volume.kspace.shape
        return (volume.name, slices, width), convert(volume, scans)

    ahead = min(os.cpu_count() or 1, MOST_AHEAD)
    for noted, arrays in built_ahead(converted, volume_files(source), ahead):
        volumes.append(noted)
        yield arrays


def _training_rows(volume: Volume, scans: Scans) -> Arrays:
    rows = transform_rows(volume.kspace, scans.size)
    return {
        "rows": rows.ravel(),
        "targets": volume.targets,
        "volume_max": np.full(len(rows), volume.largest, np.float32),
    }


def _held_out_slices(volume: Volume, scans: Scans) -> Arrays:
    measured = mask(volume.kspace.shape[2], EVALUATION_SEED)
    rows = transform_rows(volume.kspace, scans.size)
    slices = [processed(*pair, measured) for pair in zip(rows, volume.targets, strict=True)]
    fields = {name: np.stack([getattr(one, name) for one in slices]) for name in slices[0]._fields}
    return {**fields, "volume_max": np.full(len(rows), volume.largest, np.float32)}
