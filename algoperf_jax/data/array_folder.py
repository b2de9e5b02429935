"""A prepared data set as plain arrays in a folder, mapped into memory where they are needed.

Each array is a file of its own, little-endian, without a header; `facts.json` says how much of each
there is and what they were made from, so a folder without it is not complete.
"""

import contextlib
import dataclasses
import datetime
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from algoperf_jax.errors import DataError

FACTS = "facts.json"

Sources = Mapping[str, tuple[int, int]]
"""By path of each file: its bytes, and the time of its last change in nanoseconds."""


class Items(NamedTuple):
    """What an array is a sequence of: items of a dtype such as `"<f4"`, and of a shape."""

    dtype: str
    shape: tuple[int, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of an item."""
        return np.dtype(self.dtype).itemsize * math.prod(self.shape)


@dataclasses.dataclass(frozen=True)
class Facts:
    """What was written.

    Attributes:
      items: of each array.
      sources: the files that they were made from.
      more: what else the data set's own code wants to know, as JSON data.
    """

    items: Mapping[str, int]
    sources: Sources
    more: Any


def write_arrays(
    folder: Path,
    forms: Mapping[str, Items],
    parts: Iterable[Mapping[str, np.ndarray]],
    sources: Sources,
    more: Any = None,
) -> None:
    """Writes a folder, which must not exist, part by part, in bounded memory.

    Args:
      folder: made here.
      forms: of the arrays.
      parts: the next items of each array.
      sources, more: see `Facts`; `more` may be filled while the parts are made.
    """
    folder.mkdir(parents=True)
    counts = dict.fromkeys(forms, 0)
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context(open(folder / name, "wb")) for name in forms}
        for part in parts:
            for name, array in part.items():
                if array.shape[1:] != forms[name].shape:
                    raise ValueError(f"{name}: items of {forms[name].shape}, got {array.shape[1:]}")
                files[name].write(array.astype(forms[name].dtype, copy=False).tobytes())
                counts[name] += len(array)
    facts = Facts(counts, sources, more)
    (folder / FACTS).write_text(json.dumps(dataclasses.asdict(facts), indent=1) + "\n")


def read_facts(folder: Path, forms: Mapping[str, Items], remedy: str) -> Facts:
    """Returns what is in a folder.

    Raises:
      DataError: a file is missing or has another size than it was written with.
    """
    path = folder / FACTS
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        sources = {name: (int(n), int(when)) for name, (n, when) in content["sources"].items()}
        items = {name: int(content["items"][name]) for name in forms}
        facts = Facts(items, sources, content["more"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is missing or damaged ({error!r}); {remedy}") from None
    for name, form in forms.items():
        file, expected = folder / name, facts.items[name] * form.nbytes
        if not file.exists():
            raise DataError(f"{file} is missing; {remedy}")
        if file.stat().st_size != expected:
            raise DataError(
                f"{file} has {file.stat().st_size:,} bytes, there should be {expected:,}; {remedy}"
            )
    return facts


def open_arrays(
    folder: Path, forms: Mapping[str, Items], remedy: str
) -> tuple[Facts, dict[str, np.ndarray]]:
    """Maps a folder's arrays `[items, ...]` into memory, read-only.

    Raises:
      DataError: see `read_facts`.
    """
    facts = read_facts(folder, forms, remedy)
    arrays = {}
    for name, form in forms.items():
        shape = (facts.items[name], *form.shape)
        if math.prod(shape):
            arrays[name] = np.memmap(folder / name, form.dtype, "r", shape=shape).view(np.ndarray)
        else:  # of which there is nothing to map
            arrays[name] = np.zeros(shape, form.dtype)
    return facts, arrays


def signature(path: Path) -> tuple[int, int]:
    """Bytes of a file, and the time of its last change in nanoseconds."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def signatures(paths: Iterable[Path]) -> dict[str, tuple[int, int]]:
    """The `Sources` of a data set that is made from these files."""
    return {str(path.absolute()): signature(path) for path in paths}


@dataclasses.dataclass(frozen=True)
class ArrayFolder:
    """A `prepared_folder.PreparedFolder` of arrays.

    Attributes:
      folder: relative to what holds a workload's data sets.
      forms: of the arrays.
      counted: the array whose items are the examples.
      examples: by one name, how many there are.
    """

    folder: Path
    forms: Mapping[str, Items]
    counted: str
    examples: Mapping[str, int]

    def is_there(self, root: Path, remedy: str | None = None) -> bool:
        """Whether `root` has the folder; a part of one is a `DataError`."""
        folder = root / self.folder
        if not folder.exists():
            return False
        if not (folder / FACTS).exists():
            remedy = remedy or f"remove {folder} and run the command again"
            raise DataError(f"{folder} has no {FACTS}; {remedy}")
        return True

    def check_examples(self, root: Path, expected: Mapping[str, int], remedy: str) -> None:
        """Raises a `DataError` where there are more or fewer examples, or a source has changed.

        Sources that are gone have served.
        """
        folder = root / self.folder
        facts = read_facts(folder, self.forms, remedy)
        (name,) = self.examples
        found = facts.items[self.counted]
        if found != expected.get(name, found):
            raise DataError(
                f"{folder} has {found:,} examples, there should be {expected[name]:,}; {remedy}"
            )
        for source, known in facts.sources.items():
            path = Path(source)
            if path.exists() and signature(path) != known:
                now = signature(path)
                how = f"it has {now[0]:,} bytes, it had {known[0]:,}"
                if now[0] == known[0]:
                    how = f"it is of {_time(now[1])}, it was of {_time(known[1])}"
                raise DataError(
                    f"{path} has changed since {folder} was made of it: {how}; {remedy}, or move "
                    "the file away if it is the same"
                )


def _time(nanoseconds: int) -> str:
    return datetime.datetime.fromtimestamp(nanoseconds / 1e9).isoformat(" ", "seconds")
