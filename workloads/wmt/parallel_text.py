"""Upstream's parallel texts, unpacked and read line by line.

Those for training take 1.5 GB, so files are mapped into memory and only the borders of their lines
are kept.
"""

import dataclasses
import mmap
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from algoperf_jax.errors import DataError
from workloads.wmt.sources import Source

_BLOCK_BYTES = 1 << 24
_BLOCK_LINES = 1 << 16

_SEGMENT = re.compile(rb'<seg id="\d+">(.*)</seg>')


class Lines(Sequence[bytes]):
    """The lines of a text file that is mapped into memory.

    They end at line feeds and nowhere else. Behind the last line feed there is one more line, which
    is empty in most files.
    """

    def __init__(self, path: Path):
        """Finds the lines.

        Raises:
          DataError: a line is not UTF-8; names file and line.
        """
        self._data: bytes | mmap.mmap = b""
        with open(path, "rb") as file:
            if path.stat().st_size:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._ends = _line_ends(np.frombuffer(self._data, np.uint8))
        for begin in range(0, len(self), _BLOCK_LINES):
            self._check(path, begin, min(begin + _BLOCK_LINES, len(self)))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, i: int) -> bytes:
        return self._data[self._begin(i) : self._ends[i]]

    def is_empty(self) -> np.ndarray:
        """Whether each line is empty, bool `[lines]`."""
        return np.diff(self._ends, prepend=-1) == 1

    def _begin(self, i: int) -> int:
        return int(self._ends[i - 1]) + 1 if i else 0

    def _check(self, path: Path, begin: int, end: int) -> None:
        first = self._begin(begin)
        try:
            self._data[first : self._ends[end - 1]].decode()
        except UnicodeDecodeError as error:
            line = int(np.searchsorted(self._ends, first + error.start))
            raise DataError(
                f"{path}, line {line + 1} is not UTF-8 ({error.reason}); replace the file"
            ) from None


def _line_ends(data: np.ndarray) -> np.ndarray:
    """Returns the positions of line feeds, and the end of the data, int64."""
    parts = [
        np.flatnonzero(data[begin : begin + _BLOCK_BYTES] == ord("\n")) + begin
        for begin in range(0, len(data), _BLOCK_BYTES)
    ]
    return np.concatenate([*parts, [len(data)]]).astype(np.int64)


@dataclasses.dataclass(frozen=True)
class Text:
    """A parallel text.

    Attributes:
      name: of its source.
      german, english: lines, equally many.
      kept: int64 `[pairs]`, the lines that are not empty on either side.
    """

    name: str
    german: Sequence[bytes]
    english: Sequence[bytes]
    kept: np.ndarray


def read_text(source: Source, folder: Path) -> Text:
    """Reads the two files of a source, wherever `find` finds them in the folder.

    Files called `.sgm` hold one segment in a line, whose content is taken as it is; other lines do
    not count.

    Raises:
      DataError: a file is missing or is not UTF-8, or the two have different numbers of lines.
    """
    paths, sides, empty = [], [], []
    for name in source.files:
        path = find(name, folder)
        if path is None:
            raise DataError(f"{folder / name} is missing")
        lines: Sequence[bytes] = Lines(path)
        if path.suffix == ".sgm":
            lines = [match[1] for line in lines if (match := _SEGMENT.match(line))]
            empty.append(np.array([not line for line in lines], bool))
        else:
            empty.append(lines.is_empty())
        paths.append(path)
        sides.append(lines)
    german, english = sides
    if len(german) != len(english):
        raise DataError(
            f"{paths[0]} has {len(german):,} lines, {paths[1]} {len(english):,}; line i of both "
            "should be translations of each other: replace the files"
        )
    return Text(source.name, german, english, np.flatnonzero(~(empty[0] | empty[1])))


def find(name: str, folder: Path) -> Path | None:
    """Returns where a file of an archive lies that was unpacked to `folder`, with or without the
    archive's own folder; None if it does not."""
    places = (folder / name, folder / Path(name).name)
    return next((place for place in places if place.is_file()), None)
