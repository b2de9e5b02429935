"""Lengths and labels of a subset's utterances: gathered once, kept on disk, mapped into memory."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from algoperf_jax.data.made_once import made_once
from algoperf_jax.data.sentencepiece_model import UNKNOWN, SentencePieceModel
from algoperf_jax.errors import DataError
from workloads.librispeech.files import Corpus

Report = Callable[[str], None]

_VERSION = "1"  # of what is written
_FACTS = "facts.json"
_LENGTHS, _LABEL_LENGTHS, _LABELS = "lengths", "label_lengths", "labels"
_FILES = (_LENGTHS, _LABEL_LENGTHS, _LABELS)


class Source(Protocol):
    """A subset in one of its layouts; see `subset.Subset` and `npy_subset.NpySubset`."""

    @property
    def ids(self) -> Sequence[str]: ...
    @property
    def signature(self) -> str: ...
    def __len__(self) -> int: ...
    def lengths(self) -> np.ndarray: ...
    def labels(self, tokenizer: SentencePieceModel) -> Iterable[np.ndarray]: ...
    def audio(self, i: int) -> np.ndarray: ...


@dataclasses.dataclass(frozen=True)
class Index:
    """What is known of a subset's utterances without reading audio.

    Attributes:
      lengths: int64 `[n]`, samples of each.
      label_lengths: int64 `[n]`, labels of each, the end included.
      labels: int32, utterance after utterance.
      label_ends: int64 `[n]`, where the labels of each one end.
    """

    lengths: np.ndarray
    label_lengths: np.ndarray
    labels: np.ndarray
    label_ends: np.ndarray


def indexed(
    name: str,
    source: Source,
    tokenizer: SentencePieceModel,
    corpus: Corpus,
    folders: Sequence[Path],
    report: Report,
) -> Index:
    """Returns the index of a subset, making it at first use.

    Args:
      name: the subset's.
      source: its utterances.
      tokenizer: makes labels of transcripts.
      corpus: how long utterances may be.
      folders: where it may be kept, see `made_once.made_once`.
      report: called with a line when it has to be made.

    Raises:
      DataError: an utterance is too long or has characters that are in no piece, a file of the
        source is damaged, no folder can be written to, or what is kept is damaged; names it.
    """
    facts = [_VERSION, source.signature, tokenizer.sha256, corpus.longest_audio]
    checksum = hashlib.sha256(json.dumps([*facts, corpus.longest_labels]).encode()).hexdigest()

    def write(folder: Path) -> None:
        report(f"{name}: looking through {len(source):,} utterances")
        _write(folder, source, tokenizer, corpus)

    return _opened(made_once(f"{name}-{checksum[:16]}", folders, write))


def _write(folder: Path, source: Source, tokenizer: SentencePieceModel, corpus: Corpus) -> None:
    lengths = source.lengths()
    for i in np.flatnonzero(lengths > corpus.longest_audio).tolist():
        raise DataError(
            f"{source.ids[i]} has {lengths[i]:,} samples, at most {corpus.longest_audio:,} are "
            "possible; prepare the data again, which leaves it out"
        )
    label_lengths = np.zeros(len(source), np.int32)
    with open(folder / _LABELS, "wb") as file:
        for i, labels in enumerate(source.labels(tokenizer)):
            _check_labels(source.ids[i], labels, corpus.longest_labels)
            label_lengths[i] = len(labels)
            file.write(labels.astype("<i4").tobytes())
    (folder / _LENGTHS).write_bytes(lengths.astype("<i4").tobytes())
    (folder / _LABEL_LENGTHS).write_bytes(label_lengths.astype("<i4").tobytes())
    sizes = {name: (folder / name).stat().st_size for name in _FILES}
    (folder / _FACTS).write_text(json.dumps({"sizes": sizes}, indent=2) + "\n")


def _check_labels(utterance: str, labels: np.ndarray, longest: int) -> None:
    if UNKNOWN in labels:
        raise DataError(
            f"the transcript of {utterance} has characters that are in no piece of the tokenizer; "
            "replace the transcript by upstream's or the tokenizer by one that was trained on it"
        )
    if len(labels) > longest:
        raise DataError(
            f"{utterance} has {len(labels):,} labels, at most {longest:,} are possible; use a "
            "tokenizer of larger pieces"
        )


def _opened(folder: Path) -> Index:
    """Maps what `_write` left in `folder`, once its files are known to be complete."""
    try:
        sizes = json.loads((folder / _FACTS).read_text())["sizes"]
        wrong = [name for name in _FILES if (folder / name).stat().st_size != sizes[name]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder} is damaged ({error!r}); remove it, the next start makes it again"
        ) from None
    if wrong:
        raise DataError(
            f"{folder / wrong[0]} has another size than it was written with; remove {folder}, the "
            "next start makes it again"
        )
    lengths, label_lengths = (
        np.fromfile(folder / name, "<i4").astype(np.int64) for name in (_LENGTHS, _LABEL_LENGTHS)
    )
    labels = np.zeros(0, np.int32)
    if sizes[_LABELS]:  # nothing cannot be mapped
        labels = np.memmap(folder / _LABELS, "<i4", "r").view(np.ndarray)
    return Index(lengths, label_lengths, labels, np.cumsum(label_lengths))
