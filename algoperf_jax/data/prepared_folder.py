"""What the kit needs to know of a prepared data set's folder, of whatever layout."""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

UNFINISHED = ".unfinished-"
"""How the names of folders begin in which data sets are being written."""


class PreparedFolder(Protocol):
    """A data set's folder: where it is, whether it is complete, and what is in it."""

    @property
    def folder(self) -> Path:
        """Relative to what holds a workload's data sets, the `root` of the methods."""

    @property
    def examples(self) -> Mapping[str, int]:
        """Of each split of the complete data set."""

    def is_there(self, root: Path, remedy: str | None = None) -> bool:
        """Whether `root` has the data set.

        Args:
          root: what holds `folder`.
          remedy: what a person can do about missing files, the end of error messages.

        Raises:
          DataError: it has a part of it only; names the first missing file.
        """

    def check_examples(self, root: Path, expected: Mapping[str, int], remedy: str) -> None:
        """Raises a `DataError` where a split's number of examples is not the one expected.

        Args:
          root: what holds the data set, `is_there`.
          expected: examples by split; other names in it are not looked at.
          remedy: the end of the error message.
        """


def write_atomically(dataset: PreparedFolder, root: Path, write: Callable[[Path], None]) -> None:
    """Calls `write(unfinished_root)` and moves the data set that it made there to `root`.

    The folder appears complete or not at all; when it is there already, nothing is done. Of several
    processes that make it at the same time, the first to finish wins.

    Raises:
      DataError: a part of the data set is there already.
    """
    if dataset.is_there(root):
        return
    final = root / dataset.folder
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=final.parent) as folder:
        write(Path(folder))
        try:
            os.rename(Path(folder) / dataset.folder, final)
        except OSError:
            if not dataset.is_there(root):  # else another process was faster
                raise
