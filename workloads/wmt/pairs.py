"""Sentence pairs as token ids: made once, kept on disk, and mapped into memory."""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from algoperf_jax.data.made_once import made_once
from algoperf_jax.data.sentencepiece_model import SentencePieceModel
from algoperf_jax.data.stored import Location
from algoperf_jax.data.tfrecords import Records
from algoperf_jax.errors import DataError
from workloads.wmt.records import chunks

_VERSION = "1"  # of what is written
_FACTS = "facts.json"
_SIDES = ("inputs", "targets")
_PER_PAIR = ("lengths", "packed_sizes")
_LARGEST = np.iinfo(np.uint16).max


@dataclasses.dataclass(frozen=True)
class Tokens:
    """The sentences of one language, one after the other.

    Sentence i is `flat[offsets[i]:offsets[i + 1]]`; the last of its ids is that of the end.

    Attributes:
      flat: uint16 `[tokens]`, mapped from disk.
      offsets: int64 `[sentences + 1]`.
    """

    flat: np.ndarray
    offsets: np.ndarray


@dataclasses.dataclass(frozen=True)
class Pairs:
    """The sentence pairs of a split that are short enough, in reading order.

    Attributes:
      inputs: German.
      targets: English.
      packed_sizes: int64 `[pairs, 2]`, how many tokens of each side are not the unknown piece;
        packed rows hold so many of its first tokens.
      pairs_read: how many there were before long ones were left out.
    """

    inputs: Tokens
    targets: Tokens
    packed_sizes: np.ndarray
    pairs_read: int

    def __len__(self) -> int:
        return len(self.packed_sizes)

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each side, ends included, int64 `[pairs, 2]`."""
        return np.stack([np.diff(side.offsets) for side in (self.inputs, self.targets)], axis=1)


def tokenised(
    split: str,
    location: Location,
    vocabulary: SentencePieceModel,
    longest: int,
    folders: Sequence[Path],
    report: Callable[[str], None] = lambda line: None,
) -> Pairs:
    """Returns the pairs of a split; tokenises them at first use, in bounded memory.

    What is kept on disk depends on the records' files (their names and sizes), the vocabulary and
    `longest`, and has a folder of its own for each combination. It appears complete or not at all;
    of several processes one makes it and the others wait for it.

    Args:
      split: `"train"`, `"validation"` or `"test"`.
      location: where the data set lies.
      vocabulary: of at most 65,536 pieces.
      longest: pairs with more tokens on a side, the end included, are left out.
      folders: where it may be kept: what is found in any of them is used, else it is made below the
        first one that can be written to.
      report: called with a line when it has to be made.

    Raises:
      DataError: a record file is missing or damaged, a record is no pair of texts, no pair is
        short enough, no folder can be written to, or what is kept is incomplete; names it.
    """
    if max(vocabulary.size - 1, longest) > _LARGEST:
        raise ValueError(f"ids and lengths have to fit into 16 bits, up to {_LARGEST:,}")
    records = location.records(split)
    name = f"{split}-{_checksum(split, records, vocabulary, longest)}"

    def write(folder: Path) -> None:
        report(f"tokenising {len(records):,} sentence pairs of {split}")
        _write(folder, records, vocabulary, longest)

    return _opened(made_once(name, folders, write))


def _checksum(split: str, records: Records, vocabulary: SentencePieceModel, longest: int) -> str:
    sizes = {path.name: path.stat().st_size for path in records.paths}
    facts = json.dumps([_VERSION, split, vocabulary.sha256, longest, sizes], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _write(folder: Path, records: Records, vocabulary: SentencePieceModel, longest: int) -> None:
    """Writes the arrays' bytes chunk by chunk, and at last the facts about them."""
    pairs_kept = 0
    with contextlib.ExitStack() as stack:
        files = {
            name: stack.enter_context(open(folder / name, "wb")) for name in (*_SIDES, *_PER_PAIR)
        }
        for chunk in chunks(records):
            sides = [
                vocabulary.encode([text.decode() for text in side])
                for side in zip(*chunk, strict=True)
            ]
            lengths = np.array([list(map(len, side)) for side in sides], np.int64).T
            short = (lengths <= longest).all(axis=1)
            packed_sizes = np.zeros_like(lengths[short])
            for k, name in enumerate(_SIDES):
                kept = list(itertools.compress(sides[k], short))
                flat = np.fromiter(itertools.chain.from_iterable(kept), np.uint16)
                packed_sizes[:, k] = _sums(flat != 0, lengths[short, k])
                files[name].write(flat.tobytes())
            files["lengths"].write(lengths[short].astype(np.uint16).tobytes())
            files["packed_sizes"].write(packed_sizes.astype(np.uint16).tobytes())
            pairs_kept += int(short.sum())
    if not pairs_kept:
        raise DataError(
            f"{records.paths[0]} and those beside it: every sentence pair has more than "
            f"{longest:,} tokens; {records.remedy}"
        )
    facts = {
        "pairs_read": len(records),
        "pairs_kept": pairs_kept,
        "vocabulary_sha256": vocabulary.sha256,
        "longest": longest,
        "bytes": {name: (folder / name).stat().st_size for name in files},
    }
    (folder / _FACTS).write_text(json.dumps(facts, indent=2) + "\n")


def _sums(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Adds up consecutive stretches of `values` of these lengths, int64."""
    total = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    return np.diff(total[_offsets(lengths)])


def _offsets(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _opened(folder: Path) -> Pairs:
    """Maps what `_write` left in `folder`, once its files are known to be complete."""
    try:
        facts = json.loads((folder / _FACTS).read_text())
        expected = {name: facts["bytes"][name] for name in (*_SIDES, *_PER_PAIR)}
        pairs_read = facts["pairs_read"]
        found = {name: (folder / name).stat().st_size for name in expected}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder} is damaged ({error!r}); remove it, the next start makes it again"
        ) from None
    for name in expected:
        if found[name] != expected[name]:
            raise DataError(
                f"{folder / name} has {found[name]:,} bytes, there should be {expected[name]:,}; "
                f"remove {folder}, the next start makes it again"
            )
    lengths, packed_sizes = (
        np.fromfile(folder / name, np.uint16).reshape(-1, 2) for name in _PER_PAIR
    )
    inputs, targets = (
        Tokens(np.memmap(folder / name, np.uint16, "r"), _offsets(lengths[:, k]))
        for k, name in enumerate(_SIDES)
    )
    return Pairs(inputs, targets, packed_sizes.astype(np.int64), pairs_read)
