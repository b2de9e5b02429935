"""Preparation of WMT17 and WMT14, German to English: texts, vocabulary and tokens.

The benchmark reads what TensorFlow Datasets makes of upstream's archives, `wmt17_translate` for
training and `wmt14_translate` for evaluation, both `de-en:1.0.0`. Only what it reads is made, with
the same records in the same order. The vocabulary follows from that order; models are compared with
the same vocabulary only, so its SHA-256 is reported.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from algoperf_jax.data import preparation, sentencepiece_model
from algoperf_jax.data.archives import unpack_tar_members
from algoperf_jax.data.sentencepiece_model import SentencePieceModel
from algoperf_jax.data.tfds_folder import NewSplit, TfdsFolder, write_dataset
from algoperf_jax.errors import DataError
from workloads.wmt import sources, vocabulary
from workloads.wmt.files import (
    INFO,
    LANGUAGES,
    LONGEST,
    STORED,
    TOKENS_FOLDER,
    VOCABULARY_FILE,
    VOCABULARY_SIZE,
    WMT14,
    WMT17,
    features,
)
from workloads.wmt.pairs import tokenised
from workloads.wmt.parallel_text import Text, find, read_text
from workloads.wmt.records import texts
from workloads.wmt.sources import Source, archives

Report = Callable[[str], None]

_SOURCES = {"train": sources.TRAIN, "validation": sources.VALIDATION, "test": sources.TEST}

_TEXT_BYTES = 1_600_000_000  # of the training texts, unpacked
_RECORD_BYTES = 1_900_000_000
_TOKEN_BYTES = 900_000_000
_EVALUATION_BYTES = 10_000_000  # of validation and test, all together

_EVALUATED = ("validation", "test")


def prepare(
    data_dir: Path,
    raw: Path | None = None,
    *,
    keep_download: bool = False,
    report: Report = print,
    examples: Mapping[str, int] = STORED.examples,
    vocabulary_size: int = VOCABULARY_SIZE,
) -> Path:
    """Makes texts, vocabulary and tokens in `data_dir/wmt` and returns that folder.

    Args:
      data_dir: where all workloads' data sets are kept.
      raw: a folder with upstream's five archives, or the texts unpacked from them; they are
        downloaded when None. It may also hold a vocabulary called `wmt_sentencepiece_model`, which
        is then taken instead of training one.
      keep_download, report, examples: see `preparation.prepare`.
      vocabulary_size: pieces of the vocabulary.

    Raises:
      DataError: a file of `raw` or a download is missing or is not what it should be, the disk is
        too small, a sentence pair to be evaluated is too long, or another process is at it.
    """
    given = raw and sentencepiece_model.given(raw / VOCABULARY_FILE, vocabulary_size)
    steps = [
        _step(WMT14, _EVALUATION_BYTES, _EVALUATION_BYTES),
        _step(WMT17, _TEXT_BYTES, _RECORD_BYTES + _TOKEN_BYTES),
    ]
    root = preparation.prepare(
        STORED, steps, data_dir, raw, keep_download=keep_download, report=report, examples=examples
    )
    with preparation.alone_in(root):
        loaded = _made_vocabulary(data_dir, given, vocabulary_size, report)
    for split in ("validation", "test", "train"):
        _tokenise(split, data_dir, loaded, report)
    return root


def _step(dataset: TfdsFolder, text_bytes: int, other_bytes: int) -> preparation.Step:
    """Returns how one of the data sets is made from its sources."""
    wanted = {split: _SOURCES[split] for split in dataset.shards}
    of_all = tuple(source for split in wanted.values() for source in split)
    download = archives(of_all)

    def disk_bytes(given: Path | None) -> int:
        downloaded = 0 if given else sum(archive.size for archive in download)
        return downloaded + text_bytes + other_bytes

    return preparation.Step(
        dataset=dataset,
        given=functools.partial(_given, of_all),
        disk_bytes=disk_bytes,
        write=functools.partial(_write, dataset, wanted),
        download=download,
        note="this takes some minutes",
    )


def _given(wanted: Sequence[Source], raw: Path | None) -> Path | None:
    """Returns the folder `raw`, which has to have the archive or the files of every source."""
    if raw is None:
        return None
    if not raw.is_dir():
        raise DataError(f"{raw} is not a folder; for wmt --raw takes one with upstream's archives")
    for source in wanted:
        if not (_are_unpacked(source, raw) or (raw / source.archive.filename).exists()):
            raise DataError(
                f"{raw} has neither {source.archive.filename} nor {' and '.join(source.files)}; "
                f"get {source.archive.url}, or leave --raw out to have everything downloaded"
            )
    return raw


def _are_unpacked(source: Source, folder: Path) -> bool:
    return all(find(name, folder) for name in source.files)


def _write(
    dataset: TfdsFolder, wanted: Mapping[str, Sequence[Source]], folder: Path, unfinished: Path
) -> None:
    """Writes a data set below `unfinished` from a folder with archives or unpacked files."""
    # Of all sources at once, so that what is wrong with any is found before records are written.
    splits = {
        split: _new_split([_read(source, folder, unfinished / "unpacked") for source in of_split])
        for split, of_split in wanted.items()
    }
    write_dataset(dataset, unfinished, splits, features(), **INFO)


def _read(source: Source, folder: Path, unpacked: Path) -> Text:
    if _are_unpacked(source, folder):
        return read_text(source, folder)
    unpack_tar_members(folder / source.archive.filename, unpacked, source.files)
    return read_text(source, unpacked)


@dataclasses.dataclass(frozen=True)
class _Keys(Sequence[str]):
    """What decides the order of records: a text, the number of its file, a line."""

    texts: Sequence[Text]
    text: np.ndarray
    line: np.ndarray

    def __len__(self) -> int:
        return len(self.line)

    def __getitem__(self, i: int) -> str:
        return f"{self.texts[self.text[i]].name}/0/{self.line[i]}"


def _new_split(of_split: Sequence[Text]) -> NewSplit:
    """Returns the pairs of some texts; takes nine bytes for each of them."""
    text = np.repeat(np.arange(len(of_split), dtype=np.int8), [len(t.kept) for t in of_split])
    line = np.concatenate([t.kept for t in of_split])

    def example(i: int) -> dict[str, bytes]:
        found = of_split[text[i]]
        return dict(zip(LANGUAGES, (found.german[line[i]], found.english[line[i]]), strict=True))

    return NewSplit(_Keys(of_split, text, line), example)


def _made_vocabulary(
    data_dir: Path, given: Path | None, size: int, report: Report
) -> SentencePieceModel:
    """Copies or trains the vocabulary unless it is there."""
    location = STORED.in_data_dir(data_dir)
    path = location.root / VOCABULARY_FILE

    def train() -> None:
        report(f"training {path}; this takes some minutes")
        vocabulary.train(texts(location.records("train")), size, path)

    return sentencepiece_model.made(path, given, size, train, report)


def _tokenise(split: str, data_dir: Path, loaded: SentencePieceModel, report: Report) -> None:
    """Makes the tokens of a split; all pairs of what is evaluated have to be short enough."""
    location = STORED.in_data_dir(data_dir)
    folder = location.root / TOKENS_FOLDER
    pairs = tokenised(split, location, loaded, LONGEST, [folder], report)
    if split in _EVALUATED and len(pairs) != pairs.pairs_read:
        raise DataError(
            f"{pairs.pairs_read - len(pairs)} sentence pairs of {split} have more than {LONGEST} "
            f"tokens on a side with {location.root / VOCABULARY_FILE} and could not be evaluated; "
            "use another vocabulary"
        )
    report(
        f"{split}: {len(pairs):,} of {pairs.pairs_read:,} sentence pairs have at most {LONGEST} "
        "tokens on a side"
    )
