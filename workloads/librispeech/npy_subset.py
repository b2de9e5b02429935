"""A subset of the corpus as the reference's own set-up lays it out: two small files an utterance.

`<subset>.csv` lists the utterances, `<subset>/<utterance>_audio.npy` holds int64 samples and
`<subset>/<utterance>_targets.npy` int32 labels.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_jax.data.sentencepiece_model import END, UNKNOWN, SentencePieceModel
from algoperf_jax.errors import DataError

_THREADS = 32  # they wait for the disk, most of the time
_INT16 = np.iinfo(np.int16)


def list_path(root: Path, name: str) -> Path:
    """The file that lists the utterances of a subset."""
    return root / f"{name}.csv"


def read_ids(root: Path, name: str, remedy: str) -> list[str]:
    """Returns the ids of a subset's utterances in the order of the list.

    Raises:
      DataError: the list is not one.
    """
    path = list_path(root, name)
    try:
        with open(path, newline="") as file:
            header, *rows = csv.reader(file)
        ids = [row[1] for row in rows]
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise DataError(f"{path} is no list of utterances ({error!r}); {remedy}") from None
    if header[1:2] != ["id"]:
        raise DataError(f"{path} begins with {','.join(header)!r}, not with ',id'; {remedy}")
    if len(set(ids)) != len(ids):
        twice = next(a for a, b in zip(sorted(ids), sorted(ids)[1:], strict=False) if a == b)
        raise DataError(f"{path} lists {twice} twice; {remedy}")
    return ids


class NpySubset:
    """The utterances of a subset in this layout, in the order of its list.

    Attributes:
      ids: of the utterances.
    """

    def __init__(self, root: Path, name: str, remedy: str):
        """Reads the list.

        Raises:
          DataError: the list is not one.
        """
        self.ids = read_ids(root, name, remedy)
        self._list = list_path(root, name)
        self._folder = root / name
        self._remedy = remedy

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def signature(self) -> str:
        """Changes when the list does, or files are added, removed or put in place of others."""
        content = hashlib.sha256(self._list.read_bytes()).hexdigest()
        return f"{content} {self._folder.stat().st_mtime_ns}"

    def lengths(self) -> np.ndarray:
        """Samples of each utterance, int64 `[n]`, from the beginnings of its files.

        Raises:
          DataError: a file is missing, incomplete or has another form; names it.
        """
        return np.fromiter(self._for_each(self._length), np.int64, len(self))

    def labels(self, tokenizer: SentencePieceModel) -> Iterator[np.ndarray]:
        """Yields the labels of each utterance, int32, the end behind them.

        Raises:
          DataError: a file is missing or damaged, or has other labels than the tokenizer makes.
        """
        return self._for_each(lambda i: self._read_labels(i, tokenizer.size))

    def audio(self, i: int) -> np.ndarray:
        """The samples of utterance i, int16.

        Raises:
          DataError: the file is missing or damaged; names it.
        """
        path = self._path(i, "audio")
        samples = self._checked(path, lambda: np.load(path))
        if samples.size and (samples.min() < _INT16.min or samples.max() > _INT16.max):
            raise DataError(f"{path} has samples of more than 16 bits; {self._remedy}")
        return samples.astype(np.int16)

    def _path(self, i: int, kind: str) -> Path:
        return self._folder / f"{self.ids[i]}_{kind}.npy"

    def _for_each(self, read: Callable[[int], Any]) -> Iterator[Any]:
        with ThreadPoolExecutor(_THREADS) as threads:
            yield from threads.map(read, range(len(self)))

    def _length(self, i: int) -> int:
        path = self._path(i, "audio")
        return len(self._checked(path, lambda: np.load(path, mmap_mode="r")))

    def _read_labels(self, i: int, pieces: int) -> np.ndarray:
        path = self._path(i, "targets")
        labels = self._checked(path, lambda: np.load(path))
        if labels[-1] != END or labels.min() <= UNKNOWN or labels.max() >= pieces:
            raise DataError(
                f"{path} has other labels than a tokenizer of {pieces:,} pieces makes: from "
                f"{labels.min()} to {labels.max()}, the last {labels[-1]}; {self._remedy}"
            )
        return labels.astype(np.int32)

    def _checked(self, path: Path, load: Callable[[], np.ndarray]) -> np.ndarray:
        try:
            array = load()
        except FileNotFoundError:
            raise DataError(f"{path} is missing; {self._remedy}") from None
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path} is damaged ({error}); {self._remedy}") from None
        if array.ndim != 1 or not array.size or array.dtype.kind != "i":
            raise DataError(
                f"{path} holds {array.dtype} {list(array.shape)}, not integers in one dimension; "
                f"{self._remedy}"
            )
        return array
