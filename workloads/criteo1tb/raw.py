"""Text files of the click logs: which belong to a day, and their lines by blocks."""

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from algoperf_jax.errors import DataError
from workloads.criteo1tb.text import MARGIN

BLOCK_BYTES = 4 << 20
"""Of text that is parsed at a time, about 16,000 lines."""

_SHARD = re.compile(r"day_(\d+)_(\d\d+)(?:\.gz)?")
_WHOLE_DAY = ("day_{}.gz", "day_{}.csv", "day_{}.csv.gz", "day_{}")
_DAMAGED = "get it again, or split it off again, and run the command again"


class Block(NamedTuple):
    """Some whole lines of a file.

    Attributes:
      path: the file.
      first_line: number of the first line in it, from 1 on.
      text: the lines as `text.parse` takes them.
    """

    path: Path
    first_line: int
    text: bytes


def text_files(folder: Path, day: int) -> tuple[list[Path], bool]:
    """The files with a day's lines, in their order, and whether they are shards of it.

    Args:
      folder: has `day_<day>_00`, `day_<day>_01` and so on, as the reference's set-up splits a day,
        or else the day in one file: `day_<day>.gz`, `day_<day>.csv` or `day_<day>`. Shards may be
        compressed with gzip, too, and are then called `day_<day>_00.gz`.
      day: from 0 to 23.

    Raises:
      DataError: there is neither, or a shard in the middle is missing.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; for criteo1tb --raw takes one with text files")
    shards: dict[int, Path] = {}
    for path in sorted(folder.glob(f"day_{day}_*")):
        if match := _SHARD.fullmatch(path.name):
            index = int(match[2])
            if index in shards:
                raise DataError(f"{path} and {shards[index]} are the same shard; remove one")
            shards[index] = path
    if shards:
        missing = next((i for i in range(len(shards)) if i not in shards), None)
        if missing is not None:
            raise DataError(
                f"{folder / f'day_{day}_{missing:02}'} is missing, and there is "
                f"{shards[max(shards)].name}; copy it there"
            )
        return [shards[i] for i in range(len(shards))], True
    for name in _WHOLE_DAY:
        if (path := folder / name.format(day)).is_file():
            return [path], False
    raise DataError(
        f"{folder} has no lines of day {day}: neither day_{day}_00 nor day_{day}.gz, .csv or "
        "without ending"
    )


def blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yields all lines of a file, a block at a time; the last one needs no line feed.

    Raises:
      DataError: the file is empty, is cut off, or cannot be read.
    """
    line, rest = 1, b""
    try:
        with _opened(path) as file:
            while chunk := file.read(block_bytes):
                end = chunk.rfind(b"\n") + 1
                if end:
                    yield _block(path, line, rest + chunk[:end])
                    line += chunk.count(b"\n")
                    rest = b""
                rest += chunk[end:]
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"{path}, after line {line - 1:,}: cannot be read ({reason}); {_DAMAGED}"
        ) from None
    if rest:
        yield _block(path, line, rest + b"\n")
    elif line == 1:
        raise DataError(f"{path} is empty; {_DAMAGED}")


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else open(path, "rb")


def _block(path: Path, first_line: int, lines: bytes) -> Block:
    margin = bytes(MARGIN)
    return Block(path, first_line, margin + lines + margin)
