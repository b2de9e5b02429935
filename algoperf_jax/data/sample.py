"""Expansion of the samples embedded in the package into a cache folder."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path


def expanded_sample(
    source_dir: Path,
    files: Sequence[str],
    expand: Callable[[Path, Path], None],
    *,
    name: str,
    version: str,
    cache_dir: Path,
) -> Path:
    """Returns the folder with a sample in its upstream on-disk format, making it at first use.

    The folder's name carries a checksum of everything its content depends on, so a changed sample
    or a changed `version` gets a new folder. It appears complete or not at all; of several
    processes that make it at the same time, the first to finish wins and the others use its result.

    Args:
      source_dir: the embedded files' folder.
      files: paths of the embedded files, relative to `source_dir`.
      expand: `expand(source_dir, destination_dir)` writes the upstream format into an empty folder.
      name: the data set's name, for people who look into the cache.
      version: to be changed when `expand` changes what it writes.
      cache_dir: made if it does not exist.

    Raises:
      FileNotFoundError: an embedded file is missing, so the installation is broken.
    """
    destination = cache_dir / f"{name}-{_checksum(source_dir, files, version)}"
    if destination.exists():
        return destination
    cache_dir.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=cache_dir))
    try:
        expand(source_dir, unfinished)
        unfinished.chmod(0o777 & ~_umask())  # mkdtemp makes folders that only their owner can read
        try:
            os.rename(unfinished, destination)
        except OSError:
            if not destination.exists():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return destination


def prepared_in(
    destination: Path, write_raw: Callable[[Path], None], prepare: Callable[[Path, Path], Path]
) -> None:
    """Expands a sample as its data set is prepared: raw files are written, converted and removed.

    Args:
      destination: an empty folder; in the end it holds what the preparation makes.
      write_raw: writes upstream's files into a folder, which it makes.
      prepare: `(data_dir, raw) -> the folder, in data_dir, with the result`.
    """
    raw = destination / "raw"
    write_raw(raw)
    made = prepare(destination, raw)
    shutil.rmtree(raw)
    for path in made.iterdir():
        path.rename(destination / path.name)
    made.rmdir()


def _checksum(source_dir: Path, files: Sequence[str], version: str) -> str:
    digest = hashlib.sha256(version.encode())
    for name in sorted(files):
        content = hashlib.sha256((source_dir / name).read_bytes()).hexdigest()
        digest.update(f"\n{name} {content}".encode())
    return digest.hexdigest()[:16]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
