"""Folders that are made once, completely, and kept for the next time."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from algoperf_jax.errors import DataError


def made_once(name: str, folders: Sequence[Path], write: Callable[[Path], None]) -> Path:
    """Returns a folder of this name in one of `folders`, making it if none has it.

    It appears complete or not at all; of several processes one makes it and the others wait.

    Args:
      name: carries everything that the content depends on.
      folders: the name is looked for in all of them, and made in the first one that can be written
        to.
      write: called with an empty folder, fills it.

    Raises:
      DataError: none of the folders can be written to, or the disk is full.
    """
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    for folder in folders:
        if _can_be_written(folder):
            return _made(name, folder, write)
    raise DataError(
        f"{' and '.join(map(str, folders))} cannot be written to, where {name} would be kept; "
        "allow it, or choose another folder"
    )


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _made(name: str, folder: Path, write: Callable[[Path], None]) -> Path:
    final, beginning = folder / name, f".{name}-"
    with _alone_in(folder) as alone:
        if alone:
            for left in folder.glob(f"{beginning}*"):  # by a process that was killed
                shutil.rmtree(left)
        if final.exists():  # another process was faster
            return final
        unfinished = Path(tempfile.mkdtemp(prefix=beginning, dir=folder))
        try:
            write(unfinished)
            unfinished.chmod(folder.stat().st_mode & 0o777)  # mkdtemp's are their owner's only
            os.rename(unfinished, final)
        except OSError as error:
            if not final.exists():  # without locks another process may have been faster
                raise DataError(f"{unfinished} cannot be written ({error.strerror})") from None
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return final


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[bool]:
    """Waits until no other process is making something in `folder`; whether that is known."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
