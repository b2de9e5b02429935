"""A day of click logs as arrays that are mapped into memory, in a folder of its own.

It takes 157 bytes a line where the text has about 250.
"""

from collections.abc import Iterable
from pathlib import Path

from algoperf_jax.data.array_folder import Items, Sources, open_arrays, write_arrays
from workloads.criteo1tb.text import CATEGORIES, NUMBERS, Lines

FORMS = {
    "labels": Items("|u1"),
    "numbers": Items("<f4", (NUMBERS,)),
    "rows": Items("<i4", (CATEGORIES,)),
}
"""The arrays of `Lines`."""

BYTES_OF_A_LINE = sum(form.nbytes for form in FORMS.values())


def write_day(folder: Path, parsed: Iterable[Lines], sources: Sources) -> None:
    """Writes a day's folder from its lines, block by block; see `write_arrays`."""
    write_arrays(folder, FORMS, (lines._asdict() for lines in parsed), sources)


class Day:
    """A day's lines, read where they are needed; threads may share it, as it keeps no state."""

    def __init__(self, folder: Path, remedy: str):
        """Maps the arrays into memory.

        Raises:
          DataError: a file is missing or has another size than it was written with.
        """
        _, arrays = open_arrays(folder, FORMS, remedy)
        self._arrays = Lines(**arrays)

    def __len__(self) -> int:
        return len(self._arrays.labels)

    def lines(self, start: int, stop: int) -> Lines:
        """The lines from `start` to `stop - 1`, from 0 on; not to be written to."""
        return Lines(*(array[start:stop] for array in self._arrays))
