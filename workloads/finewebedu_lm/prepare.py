"""Preparation of FineWeb-Edu: texts are tokenised once, into two streams of ids.

Upstream gives the texts away as Parquet files (data set `HuggingFaceFW/fineweb-edu`, subset
`sample-10BT`), GPT-2 its tokenizer as two files. Each document that is not empty gets its end; the
documents are shuffled, the first tenth of them is for validation. The reference's own permutation
is not known. Here document i, counted through the files in the order of their names, has word i of
a random sequence, and documents are in the order of their words; those of validation have the
smallest.

What the reference's set-up has tokenised, folders `train` and `val` of Arrow files, is taken over
as it is.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from algoperf_jax.data import preparation
from algoperf_jax.data.array_folder import signatures, write_arrays
from algoperf_jax.data.order import random_words
from algoperf_jax.errors import DataError
from workloads.finewebedu_lm.files import (
    FINEWEB_EDU,
    FOLDER,
    FORMS,
    PARTS,
    STORED,
    TRAIN,
    VALIDATION,
    Corpus,
    Ends,
    in_chunks,
)
from workloads.finewebedu_lm.tokenizer import read_tokenizer

SOURCE = "https://huggingface.co/datasets/HuggingFaceFW/fineweb-edu"
"""Where upstream gives the texts away."""

DOCUMENTS_AT_A_TIME = 10_000
TOKENS_AT_A_TIME = 10_000_000

_SEED = 0
_VALIDATION_WORDS = 2**64 // 10
_BUCKETS = 64
"""Documents are put into so many files by their words, and each file is sorted in memory."""

_HASHED_SEQUENCES = 1_000

Part = dict[str, np.ndarray]


def prepare(
    data_dir: Path,
    raw: Path | None = None,
    *,
    keep_download: bool = False,
    report: Callable[[str], None] = print,
    corpus: Corpus = FINEWEB_EDU,
) -> Path:
    """Makes `tokens.arrays` in `data_dir/fineweb_edu_10B`.

    Args:
      data_dir: where all workloads' data sets are kept.
      raw: a folder with the Parquet files and the tokenizer's two files (below it, anywhere), or
        with folders `train` and `val` that the reference has tokenised.
      keep_download: has no bearing, as nothing is downloaded.
      report: called with lines for the user.
      corpus: what is to be made.

    Returns:
      The folder that holds the tokens.

    Raises:
      DataError: a file is missing or is not what it should be, the disk is too small, or another
        process is at it.
    """
    step = preparation.Step(
        dataset=FOLDER,
        given=_given,
        disk_bytes=_disk_bytes,
        write=functools.partial(_write, corpus, report),
        note="this takes hours for ten billion tokens",
    )
    return preparation.prepare(
        STORED, [step], data_dir, raw, keep_download=keep_download, report=report, examples={}
    )


def _given(raw: Path | None) -> Path:
    if raw is None:
        raise DataError(
            f"finewebedu_lm is not downloaded: get the Parquet files of sample-10BT from {SOURCE} "
            "and GPT-2's vocab.json and merges.txt, and name their folder with --raw"
        )
    if not raw.is_dir():
        raise DataError(f"{raw} is no folder; --raw names the folder with the Parquet files")
    if not _are_tokenised(raw) and not _parquet_files(raw):
        raise DataError(
            f"{raw} has neither Parquet files nor folders train and val of Arrow files; --raw "
            "names the folder that they are in"
        )
    return raw


def _are_tokenised(raw: Path) -> bool:
    return all((raw / part / "state.json").is_file() for part in PARTS)


def _parquet_files(raw: Path) -> list[Path]:
    return sorted(raw.rglob("*.parquet"))


def _disk_bytes(raw: Path | None) -> int:
    """Room for the tokens, and for the files by which they are shuffled."""
    assert raw is not None
    if _are_tokenised(raw):
        return sum(path.stat().st_size for path in raw.rglob("*.arrow"))
    return 2 * sum(path.stat().st_size for path in _parquet_files(raw))


def _write(corpus: Corpus, report: Callable[[str], None], raw: Path, unfinished: Path) -> None:
    more: dict[str, Any] = {"vocabulary_size": corpus.vocabulary_size}
    if _are_tokenised(raw):
        files = {part: _arrow_files(raw / part) for part in PARTS}
        sources = [path for paths in files.values() for path in paths]
        parts = _of_reference(files, corpus.vocabulary_size)
    else:
        folder = _folder_of_tokenizer(raw)
        tokenizer = read_tokenizer(folder, corpus.vocabulary_size)
        more["tokenizer"] = tokenizer.sha256
        sources = _parquet_files(raw)
        documents = (
            ids for path in sources for texts in texts_of(path) for ids in tokenizer.encode(texts)
        )
        scratch = unfinished / "shuffled"
        scratch.mkdir(parents=True)
        parts = shuffled(documents, scratch)
    hashed = _Hashed(parts, corpus.length + 1, more)
    write_arrays(unfinished / FOLDER.folder, FORMS, hashed, signatures(sources), more)
    report(f"first {_HASHED_SEQUENCES:,} validation sequences: SHA-256 {more['validation_sha256']}")


def texts_of(path: Path) -> Iterator[list[str]]:
    """The texts of a Parquet file, some thousand at a time; one that is null is empty.

    Raises:
      DataError: the file is damaged, its texts are not UTF-8, or it has no column of them.
    """
    try:
        table = pl.scan_parquet(path)
        schema = table.collect_schema()
        if schema.get("text") != pl.String:
            found = ", ".join(f"{name} ({kind})" for name, kind in schema.items())
            raise DataError(f"{path} has no column of texts called 'text'; it has {found}")
        rows = table.select(pl.len()).collect().item()
        for start in range(0, rows, DOCUMENTS_AT_A_TIME):
            part = table.select("text").slice(start, DOCUMENTS_AT_A_TIME).collect()
            yield part["text"].fill_null("").to_list()
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read: {reason}; get it again") from None


def shuffled(documents: Iterator[np.ndarray], scratch: Path) -> Iterator[Part]:
    """The documents in a random order, divided into the parts, as items of the arrays.

    Args:
      documents: ids of each one, uint16; those without any are left out.
      scratch: an empty folder, for as many bytes as the tokens take.
    """
    lengths: list[list[int]] = [[] for _ in range(_BUCKETS)]
    words: list[list[int]] = [[] for _ in range(_BUCKETS)]
    files = [open(scratch / str(k), "wb") for k in range(_BUCKETS)]  # noqa: SIM115
    try:
        count = 0
        for chunk in in_chunks(documents, TOKENS_AT_A_TIME):
            own = random_words([_SEED], count, count + len(chunk))
            count += len(chunk)
            for ids, word in zip(chunk, own.tolist(), strict=True):
                if len(ids):
                    bucket = word * _BUCKETS >> 64
                    files[bucket].write(ids.tobytes())
                    lengths[bucket].append(len(ids))
                    words[bucket].append(word)
    finally:
        for file in files:
            file.close()
    ends = Ends()
    for bucket in range(_BUCKETS):
        path = scratch / str(bucket)
        tokens = np.fromfile(path, np.uint16)
        path.unlink()
        of_bucket = np.split(tokens, np.cumsum(lengths[bucket])[:-1]) if len(tokens) else []
        own = np.array(words[bucket], np.uint64)
        order = np.argsort(own, kind="stable")
        held_out = int((own < _VALIDATION_WORDS).sum())
        for part, chosen in ((VALIDATION, order[:held_out]), (TRAIN, order[held_out:])):
            for chunk in in_chunks((of_bucket[i] for i in chosen), TOKENS_AT_A_TIME):
                yield ends.arrays(part, chunk)


class _Hashed:
    """Parts on their way; notes the checksum of the first validation sequences."""

    def __init__(self, parts: Iterator[Part], length: int, more: dict[str, Any]):
        self._parts = parts
        self._left = _HASHED_SEQUENCES * length
        self._hash = hashlib.sha256()
        self._more = more

    def __iter__(self) -> Iterator[Part]:
        for part in self._parts:
            tokens = part.get(f"{VALIDATION}_tokens", np.zeros(0, np.uint16))[: self._left]
            self._hash.update(tokens.astype("<u2").tobytes())
            self._left -= len(tokens)
            yield part
        self._more["validation_sha256"] = self._hash.hexdigest()


def _folder_of_tokenizer(raw: Path) -> Path:
    found = [path.parent for name in ("merges.txt", "vocab.bpe") for path in raw.rglob(name)]
    return found[0] if found else raw  # where `read_tokenizer` says what is missing


def _arrow_files(folder: Path) -> list[Path]:
    """The files of a data set that the reference has saved, in their order."""
    state = folder / "state.json"
    try:
        names = [str(one["filename"]) for one in json.loads(state.read_text())["_data_files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{state} does not list the data's files ({error!r})") from None
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder / missing[0]} is missing, which {state} lists")
    return [folder / name for name in names]


def _of_reference(files: dict[str, list[Path]], vocabulary_size: int) -> Iterator[Part]:
    ends = Ends()
    for part, paths in files.items():
        for path in paths:
            for chunk in in_chunks(_documents_of(path, vocabulary_size), TOKENS_AT_A_TIME):
                yield ends.arrays(part, chunk)


def _documents_of(path: Path, vocabulary_size: int) -> Sequence[np.ndarray]:
    """The ids of each document of an Arrow file.

    Raises:
      DataError: the file is damaged, has no ids, or one that the model does not have.
    """
    try:
        column = pl.read_ipc_stream(path)["input_ids"]
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} has no column 'input_ids' of ids: {reason}") from None
    lengths = column.list.len().to_numpy()
    ids = column.explode(empty_as_null=False).to_numpy() if len(column) else np.zeros(0, np.int64)
    if len(ids) and not 0 <= ids.min() <= ids.max() < vocabulary_size:
        raise DataError(
            f"{path} has ids from {ids.min()} to {ids.max()}, the model has {vocabulary_size:,} "
            "pieces"
        )
    return np.split(ids.astype(np.uint16), np.cumsum(lengths)[:-1])
