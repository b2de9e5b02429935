"""Volumes as upstream publishes them: one HDF5 file each, in a folder or in an archive."""

import io
import lzma
import math
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from algoperf_jax.errors import DataError
from workloads.fastmri.files import Scans, upstream

if TYPE_CHECKING:  # data that are prepared are read without the library
    import h5py

_REMEDY = "get it again and run the command again"


class VolumeFile(NamedTuple):
    """A volume's file.

    Attributes:
      name: without the ending.
      where: what error messages call it.
      content: the file, or what was in it.
    """

    name: str
    where: str
    content: Path | bytes


class Volume(NamedTuple):
    """A volume of slices.

    Attributes:
      name: see `VolumeFile`.
      kspace: complex64 `[slices, height, width]`, the measurements.
      targets: float32 `[slices, size, size]`, the images of all of them.
      largest: of all its images' values; 0 where the file does not say.
    """

    name: str
    kspace: np.ndarray
    targets: np.ndarray
    largest: float


def source_of(raw: Path, name: str) -> Path:
    """Where a set's volumes are in `raw`: a folder with HDF5 files, or an archive of one.

    Args:
      raw: has `knee_singlecoil_<name>` or `singlecoil_<name>`, or one of these as `.tar.xz`.
      name: "train" or "val".

    Raises:
      DataError: it has none of them.
    """
    folders = (upstream(name), f"singlecoil_{name}")
    for place in (*folders, *(f"{folder}.tar.xz" for folder in folders)):
        if (raw / place).exists():
            return raw / place
    raise DataError(
        f"{raw} has neither {' nor '.join(folders)}, as a folder or with .tar.xz; for fastmri "
        "--raw takes the folder that has them"
    )


def volume_files(source: Path) -> Iterator[VolumeFile]:
    """Yields the volumes of a folder in the order of their names, or of an archive in its own.

    Raises:
      DataError: there is none, or the archive is damaged.
    """
    found = 0
    for file in _of_folder(source) if source.is_dir() else _of_archive(source):
        found += 1
        yield file
    if not found:
        raise DataError(f"{source} has no files that end in .h5; {_REMEDY}")


def _of_folder(folder: Path) -> Iterator[VolumeFile]:
    for path in sorted(folder.glob("*.h5")):
        yield VolumeFile(path.stem, str(path), path)


def _of_archive(archive: Path) -> Iterator[VolumeFile]:
    """Unpacks one file at a time, in memory."""
    try:
        with tarfile.open(archive, "r|*") as members:
            for member in members:
                if member.isfile() and member.name.endswith(".h5"):
                    file = members.extractfile(member)
                    assert file is not None
                    where = f"{archive}, {member.name}"
                    yield VolumeFile(Path(member.name).stem, where, file.read())
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{archive} is damaged or incomplete ({error}); {_REMEDY}") from None


def read_volume(file: VolumeFile, scans: Scans) -> Volume:
    """Reads a volume.

    Raises:
      DataError: the file is no HDF5 file or is cut off, lacks an entry or has one of another form,
        or a slice has values that are no numbers or no measurements; names the file and the slice.
    """
    import h5py

    content = file.content if isinstance(file.content, Path) else io.BytesIO(file.content)
    try:
        with h5py.File(content, "r") as entries:
            kspace = _entry(entries, "kspace", file.where)
            targets = _entry(entries, "reconstruction_esc", file.where)
            _check_forms(kspace, targets, file.where, scans)
            return Volume(
                file.name,
                _read(kspace, np.complex64, file.where),
                _read(targets, np.float32, file.where),
                _largest(entries.attrs.get("max", 0.0), file.where),
            )
    except OSError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{file.where} is no HDF5 file or is cut off ({reason}); {_REMEDY}"
        ) from None


def _entry(entries: "h5py.File", name: str, where: str) -> "h5py.Dataset":
    import h5py

    if not isinstance(entries.get(name), h5py.Dataset):
        raise DataError(
            f"{where} has no array {name!r}, it has {', '.join(entries) or 'nothing'}; {_REMEDY}"
        )
    return entries[name]


def _largest(value: Any, where: str) -> float:
    """The attribute `max`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise DataError(
            f"{where}: its attribute 'max' is {value!r}, it should be a number from 0 on; {_REMEDY}"
        )
    return number


def _check_forms(kspace: Any, targets: Any, where: str, scans: Scans) -> None:
    """Raises a `DataError` where shapes or dtypes are not those of one coil's volume."""
    shape = kspace.shape
    fits = len(shape) == 3 and shape[0] > 0 and shape[1] == scans.height and shape[2] >= scans.size
    if not fits or kspace.dtype.kind != "c":
        coils = "; these are the measurements of several coils" if len(shape) == 4 else ""
        raise DataError(
            f"{where}: 'kspace' is {kspace.dtype} {list(shape)}, it should be complex64 [slices, "
            f"{scans.height}, at least {scans.size}]{coils}"
        )
    expected = (shape[0], scans.size, scans.size)
    if targets.shape != expected or targets.dtype.kind != "f":
        raise DataError(
            f"{where}: 'reconstruction_esc' is {targets.dtype} {list(targets.shape)}, it should be "
            f"float32 {list(expected)}"
        )


def _read(entry: Any, dtype: Any, where: str) -> np.ndarray:
    """Reads an entry, slice by slice."""
    name = entry.name.removeprefix("/")
    array = np.empty(entry.shape, dtype)
    for i in range(len(array)):
        array[i] = _whole(lambda i=i: entry[i], f"{where}, slice {i} of {name!r}")
        if not np.isfinite(array[i]).all():
            raise DataError(f"{where}, slice {i} of {name!r} has values that are no numbers")
        if dtype == np.complex64 and not array[i].any():
            raise DataError(f"{where}, slice {i} of {name!r} has no measurements, all are 0")
    return array


def _whole(read: Callable[[], np.ndarray], where: str) -> np.ndarray:
    try:
        return read()
    except OSError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{where} cannot be read ({reason}); {_REMEDY}") from None
