"""Prepared LibriSpeech opened: a tokenizer, and the utterances of each split."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from algoperf_jax.data.sentencepiece_model import SentencePieceModel, load
from algoperf_jax.data.stored import Location
from algoperf_jax.errors import DataError
from workloads.librispeech import sample
from workloads.librispeech.files import INDEX_FOLDER, TOKENIZER_FILE, Corpus, SubsetFolder
from workloads.librispeech.index import Index, Report, Source, indexed
from workloads.librispeech.npy_subset import NpySubset
from workloads.librispeech.subset import Subset


@dataclasses.dataclass(frozen=True)
class Part:
    """A subset of a split.

    Attributes:
      source: where its audio is read.
      index: lengths and labels.
    """

    source: Source
    index: Index


class Utterances:
    """The utterances of a split, in a fixed order. Reading keeps no state, so threads may share it.

    Attributes:
      ids: upstream's names for them.
      lengths: int64 `[n]`, samples of each.
      label_lengths: int64 `[n]`, labels of each, the end included.
    """

    def __init__(self, parts: Sequence[Part]):
        """Joins the subsets of a split in reading order."""
        self._parts = tuple(parts)
        self.ids: Sequence[str] = list(itertools.chain(*(part.source.ids for part in parts)))
        self.lengths = np.concatenate([part.index.lengths for part in parts])
        self.label_lengths = np.concatenate([part.index.label_lengths for part in parts])
        self._ends = np.cumsum([len(part.source) for part in parts])

    def __len__(self) -> int:
        return len(self.ids)

    def audio(self, i: int) -> np.ndarray:
        """The samples of utterance i at 16 kHz, int16 `[lengths[i]]`; not to be written to.

        Raises:
          DataError: its file is missing or damaged; names it.
        """
        part, k = self._part(i)
        samples = part.source.audio(k)
        if len(samples) != self.lengths[i]:
            raise DataError(
                f"{self.ids[i]} has {len(samples):,} samples, it had {self.lengths[i]:,} when the "
                "data were looked through; prepare them again, or touch their folder to have them "
                "looked through again"
            )
        return samples

    def labels(self, i: int) -> np.ndarray:
        """The labels of utterance i, int32 `[label_lengths[i]]`; the last is that of the end."""
        part, k = self._part(i)
        end = int(part.index.label_ends[k])
        return part.index.labels[end - int(part.index.label_lengths[k]) : end]

    def _part(self, i: int) -> tuple[Part, int]:
        """Returns the subset that holds utterance i, and which of its utterances that is."""
        if not 0 <= i < len(self):
            raise IndexError(f"there is no utterance {i}, there are {len(self)}")
        k = int(np.searchsorted(self._ends, i, side="right"))
        part = self._parts[k]
        return part, int(i - self._ends[k] + len(part.source))


@dataclasses.dataclass(frozen=True)
class SpeechData:
    """The opened corpus.

    Attributes:
      tokenizer: between texts and labels.
      utterances: those of `"train"`, `"validation"` or `"test"`, opened when first asked for.
    """

    tokenizer: SentencePieceModel
    utterances: Callable[[str], Utterances]


def open_speech(data_dir: Path | None, cache_dir: Path, corpus: Corpus) -> SpeechData:
    """Opens LibriSpeech below `data_dir`, in either layout, or else the expanded sample.

    Args:
      data_dir: the folder with the data of all workloads; the corpus lies there or in its folder
        `librispeech`. None for the sample.
      cache_dir: where the sample is expanded, and where lengths and labels are kept.
      corpus: what should be there: `files.LIBRISPEECH` or `sample.CORPUS`.

    Raises:
      DataError: a subset or the tokenizer is missing or incomplete, or has two layouts mixed, or
        the tokenizer has another number of pieces. `utterances` raises it too: a split has not as
        many utterances as it should, or one of them is too long or damaged.
    """
    location = corpus.stored.located(data_dir, lambda: sample.root(cache_dir), corpus.utterances)
    tokenizer = load_tokenizer(location, corpus)
    folders = (cache_dir / "librispeech" / INDEX_FOLDER, location.root / INDEX_FOLDER)
    return SpeechData(
        tokenizer,
        functools.cache(lambda split: utterances(split, location, tokenizer, corpus, folders)),
    )


def load_tokenizer(location: Location, corpus: Corpus) -> SentencePieceModel:
    """Returns the tokenizer that lies with the data.

    Raises:
      DataError: it is missing, is no SentencePiece model or has another number of pieces.
    """
    path = location.root / TOKENIZER_FILE
    return load(path, corpus.pieces, location.remedy(TOKENIZER_FILE))


def utterances(
    split: str,
    location: Location,
    tokenizer: SentencePieceModel,
    corpus: Corpus,
    folders: Sequence[Path],
    report: Report = lambda line: None,
) -> Utterances:
    """Returns the utterances of a split.

    Args:
      split: `"train"`, `"validation"` or `"test"`.
      location: where the corpus lies.
      tokenizer: makes labels of transcripts.
      corpus: what should be there.
      folders: where lengths and labels may be kept, see `made_once.made_once`.
      report: called with a line when these have to be gathered.

    Raises:
      DataError: the split has not as many utterances as it should, or one of them is too long or
        damaged.
    """
    names = corpus.splits[split]
    sources: dict[str, Source] = {name: _source(location, name) for name in names}
    found = {name: len(source) for name, source in sources.items()}
    if sum(found.values()) != corpus.examples[split]:
        counts = " and ".join(f"{n:,} in {name}" for name, n in found.items())
        raise DataError(
            f"{location.root} has {sum(found.values()):,} utterances for {split} ({counts}), there "
            f"should be {corpus.examples[split]:,}; {location.remedy(names[0])}"
        )
    return Utterances(
        [
            Part(source, indexed(name, source, tokenizer, corpus, folders, report))
            for name, source in sources.items()
        ]
    )


def _source(location: Location, name: str) -> Source:
    remedy = location.remedy(name)
    if SubsetFolder(name, 0).is_npy(location.root):
        return NpySubset(location.root, name, remedy)
    return Subset(location.root / name, remedy)
