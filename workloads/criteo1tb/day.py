"""A day of click logs as arrays that are mapped into memory, in a folder of its own.

`labels` holds uint8 `[n]`, `numbers` float32 `[n, 13]`, `rows` int32 `[n, 26]`, little-endian: 157
bytes a line where the text has about 250. `facts.json` says what they were made from.
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_jax.errors import DataError
from workloads.criteo1tb.text import CATEGORIES, NUMBERS, Lines

FACTS = "facts.json"

_FORMS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "labels": ("|u1", ()),
    "numbers": ("<f4", (NUMBERS,)),
    "rows": ("<i4", (CATEGORIES,)),
}
"""Type and trailing shape of each of the arrays of `Lines`, which are also the files' names."""

BYTES_OF_A_LINE = sum(np.dtype(form).itemsize * int(np.prod(s)) for form, s in _FORMS.values())


@dataclasses.dataclass(frozen=True)
class Facts:
    """What was written.

    Attributes:
      lines: how many.
      sources: by path of each text file its bytes and the time of its last change, in nanoseconds.
    """

    lines: int
    sources: Mapping[str, tuple[int, int]]


def write_day(folder: Path, parsed: Iterable[Lines], sources: Mapping[str, tuple[int, int]]) -> int:
    """Writes a day's folder, which must not exist, in bounded memory; how many lines it has.

    Args:
      folder: the facts in it make it complete.
      parsed: the day's lines, block by block.
      sources: see `Facts`.
    """
    folder.mkdir(parents=True)
    count = 0
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context(open(folder / name, "wb")) for name in _FORMS}
        for lines in parsed:
            for name, array in lines._asdict().items():
                files[name].write(array.astype(_FORMS[name][0], copy=False).tobytes())
            count += len(lines.labels)
    facts = dataclasses.asdict(Facts(count, sources))
    (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n")
    return count


def read_facts(folder: Path, remedy: str) -> Facts:
    """Returns what is in a day's folder.

    Raises:
      DataError: a file is missing or has another size than it was written with.
    """
    path = folder / FACTS
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        sources = {name: (int(n), int(when)) for name, (n, when) in content["sources"].items()}
        facts = Facts(int(content["lines"]), sources)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is missing or damaged ({error!r}); {remedy}") from None
    for name, (form, shape) in _FORMS.items():
        file = folder / name
        expected = facts.lines * np.dtype(form).itemsize * int(np.prod(shape))
        if not file.exists():
            raise DataError(f"{file} is missing; {remedy}")
        if file.stat().st_size != expected:
            raise DataError(
                f"{file} has {file.stat().st_size:,} bytes, there should be {expected:,}; {remedy}"
            )
    return facts


def signature(path: Path) -> tuple[int, int]:
    """Bytes of a file, and the time of its last change in nanoseconds."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def check_sources(folder: Path, facts: Facts, remedy: str) -> None:
    """Raises a `DataError` where a text file that is still there has changed since."""
    for name, known in facts.sources.items():
        path = Path(name)
        if path.exists() and signature(path) != known:
            raise DataError(
                f"{path} has changed since {folder} was made of it: it has "
                f"{path.stat().st_size:,} bytes, it had {known[0]:,}; {remedy}"
            )


class Day:
    """A day's lines, read where they are needed; threads may share it, as it keeps no state."""

    def __init__(self, folder: Path, remedy: str):
        """Maps the arrays into memory.

        Raises:
          DataError: a file is missing or has another size than it was written with.
        """
        count = read_facts(folder, remedy).lines
        self._arrays = Lines(
            *(
                np.memmap(folder / name, form, "r", shape=(count, *shape)).view(np.ndarray)
                for name, (form, shape) in _FORMS.items()
            )
        )

    def __len__(self) -> int:
        return len(self._arrays.labels)

    def lines(self, start: int, stop: int) -> Lines:
        """The lines from `start` to `stop - 1`, from 0 on; not to be written to."""
        return Lines(*(array[start:stop] for array in self._arrays))
