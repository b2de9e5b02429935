"""One process at a time works on a trial's folder.

The system lets go of the lock when the process that holds it dies, however it dies. The file stays:
to remove it would let a process that has just opened it lock a file that is gone.
"""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from algoperf_jax.errors import TrialError

NAME = ".lock"
"""The lock's file in a trial's folder; it says who holds it, or held it last."""


@contextlib.contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; makes the folder if need be.

    On a file system without locks it does nothing: to start a trial there twice is up to its user.

    Raises:
      TrialError: another process holds it, with its number and host.
    """
    with _locked(folder) as file:
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[IO[str]]:
    path = folder / NAME
    while True:
        file = _opened(path)
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise TrialError(
                    f"{folder}: {holder} is at work on this trial, as {path} says; wait for it, "
                    "end it, or choose another --experiment_dir"
                ) from None
            except OSError:
                pass
            if _is_still(path, file):
                yield file
                return


def _opened(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "a+", encoding="utf-8")
    except OSError as error:
        raise TrialError(
            f"cannot write the record to {path.parent}: {error.strerror}; "
            "name a folder you may write to with --experiment_dir"
        ) from None


def _is_still(path: Path, file: IO[str]) -> bool:
    """Whether the path leads to the open file; the folder may have been removed in between."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
