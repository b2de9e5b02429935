"""Preparation of LibriSpeech: audio, tokenizer and labels.

What is kept and what is left out follows the reference's set-up, check by check. The reference
writes 543,000 files of 64-bit samples; here each subset is one folder with one file of audio.
"""

import collections
import functools
import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from algoperf_jax.data import preparation, sentencepiece_model
from algoperf_jax.data.archives import unpack_tar
from algoperf_jax.data.sentencepiece_model import SentencePieceModel
from algoperf_jax.data.stored import Location
from algoperf_jax.errors import DataError
from workloads.librispeech import tokenizer
from workloads.librispeech.files import (
    INDEX_FOLDER,
    LIBRISPEECH,
    TOKENIZER_FILE,
    Corpus,
    SubsetFolder,
)
from workloads.librispeech.flac import SAMPLE_RATE, decode
from workloads.librispeech.raw import UPSTREAM_FOLDER, Chapter, Spoken, chapters
from workloads.librispeech.sources import ARCHIVES, SAMPLE_BYTES, audio_bytes
from workloads.librispeech.subset import Facts, Writer, read_facts, transcripts
from workloads.librispeech.utterances import utterances

Report = Callable[[str], None]

NO_TRANSCRIPTS = "chapter without transcripts"
NO_AUDIO = "without audio"
LONG_TRANSCRIPT = "transcript too long"
LONG_AUDIO = "audio too long"

_UNPACKED_SHARE = 1.02  # of an archive's size, as FLAC files are compressed already
_AHEAD = 4  # utterances that are decoded or wait to be written, for each thread


def prepare(
    data_dir: Path,
    raw: Path | None = None,
    *,
    keep_download: bool = False,
    report: Report = print,
    corpus: Corpus = LIBRISPEECH,
) -> Path:
    """Makes all subsets, the tokenizer and the labels in `data_dir/librispeech`.

    Args:
      data_dir: where all workloads' data sets are kept.
      raw: a folder with upstream's archives or the folder `LibriSpeech` that they unpack to, or
        this folder itself; what is missing is downloaded only when this is None. It may also hold a
        tokenizer called `spm_model.vocab`, which is then taken instead of training one.
      keep_download, report: see `preparation.prepare`.
      corpus: what is to be made.

    Returns:
      The folder that holds it.

    Raises:
      DataError: a file of `raw` or a download is missing or is not what it should be, another
        number of utterances is found, the disk is too small, or another process is at it.
    """
    given = raw and sentencepiece_model.given(raw / TOKENIZER_FILE, corpus.pieces)
    root = preparation.prepare(
        corpus.stored,
        [_step(SubsetFolder(name, n), corpus, report) for name, n in corpus.utterances.items()],
        data_dir,
        raw,
        keep_download=keep_download,
        report=report,
        examples=corpus.utterances,
    )
    location = Location(corpus.stored, root, corpus.stored.in_data_dir(data_dir).preparation)
    with preparation.alone_in(root):
        loaded = _made_tokenizer(location, given, corpus, report)
    for split in corpus.splits:
        found = utterances(split, location, loaded, corpus, [root / INDEX_FOLDER], report)
        hours = found.lengths.sum() / SAMPLE_RATE / 3_600
        report(f"{split}: {len(found):,} utterances, {hours:,.1f} hours")
    return root


def _step(folder: SubsetFolder, corpus: Corpus, report: Report) -> preparation.Step:
    """Returns how a subset is made."""
    archive = ARCHIVES[folder.name]
    most = folder.utterances * corpus.longest_audio * SAMPLE_BYTES  # which is less for small ones

    def unpacked_bytes(given: Path | None) -> int:
        if given and given.is_dir():
            return 0
        downloaded = 0 if given else archive.size
        return downloaded + round(archive.size * _UNPACKED_SHARE)

    return preparation.Step(
        dataset=folder,
        given=functools.partial(_given, folder.name),
        disk_bytes=lambda given: min(audio_bytes(folder.name), most),
        passing_bytes=unpacked_bytes,
        write=functools.partial(_write, folder.name, corpus, report),
        download=archive,
        note="this takes minutes to hours" if folder.name.startswith("train") else "",
    )


def _given(name: str, raw: Path | None) -> Path | None:
    """Returns the subset's folder in `raw`, or its archive."""
    if raw is None:
        return None
    if not raw.is_dir():
        raise DataError(
            f"{raw} is not a folder; for librispeech --raw takes one with upstream's archives or "
            f"with what they unpack to, {UPSTREAM_FOLDER}"
        )
    archive = ARCHIVES[name]
    places = (raw / UPSTREAM_FOLDER / name, raw / name, raw / archive.filename)
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise DataError(
            f"{raw} has neither {UPSTREAM_FOLDER}/{name} nor {archive.filename}; get {archive.url},"
            " or leave --raw out to have everything downloaded"
        )
    return found


def _write(name: str, corpus: Corpus, report: Report, made_from: Path, unfinished: Path) -> None:
    """Writes a subset below `unfinished` from its folder or its archive."""
    folder = made_from
    if not made_from.is_dir():
        unpacked = unfinished / "unpacked"
        unpack_tar(made_from, unpacked)
        folder = unpacked / UPSTREAM_FOLDER / name
        if not folder.is_dir():
            raise DataError(f"{made_from} is another archive than expected: no {name} is in it")
    with Writer(unfinished / name) as writer:
        for chapter in chapters(folder):
            if chapter.utterances is None:
                writer.leave_out(NO_TRANSCRIPTS, chapter.id, "")
        for spoken, result in _decoded(_all(chapters(folder)), corpus):
            if isinstance(result, str):
                writer.leave_out(result, spoken.id, spoken.transcript)
            else:
                writer.keep(spoken.id, spoken.transcript, result)
        report(f"{name}: {_summary(writer.complete())}")


def _all(of_subset: Iterator[Chapter]) -> Iterator[Spoken]:
    return itertools.chain.from_iterable(chapter.utterances or () for chapter in of_subset)


def _decoded(spoken: Iterator[Spoken], corpus: Corpus) -> Iterator[tuple[Spoken, np.ndarray | str]]:
    """Yields utterances in their order, each with its audio or with why it is left out."""
    threads = os.cpu_count() or 1
    waiting: collections.deque[tuple[Spoken, Future[np.ndarray | str]]] = collections.deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for one in spoken:
            waiting.append((one, pool.submit(_audio, one, corpus)))
            if len(waiting) > _AHEAD * threads:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _audio(spoken: Spoken, corpus: Corpus) -> np.ndarray | str:
    """Returns the samples, or why it is left out; checks are in the reference's order."""
    if not spoken.audio.exists():
        return NO_AUDIO
    if len(spoken.transcript) > corpus.longest_transcript:
        return LONG_TRANSCRIPT
    audio = decode(spoken.audio, spoken.id)
    return LONG_AUDIO if len(audio) > corpus.longest_audio else audio


def _summary(facts: Facts) -> str:
    reasons = [f"{n:,} {reason}" for reason, n in facts.left_out.items()]
    left_out = f"; left out: {', '.join(reasons)}" if reasons else ""
    return f"{facts.kept:,} of {facts.met:,} utterances kept{left_out}"


def _made_tokenizer(
    location: Location, given: Path | None, corpus: Corpus, report: Report
) -> SentencePieceModel:
    """Copies or trains the tokenizer unless it is there."""
    path, name = location.root / TOKENIZER_FILE, corpus.tokenizer_subset

    def train() -> None:
        if SubsetFolder(name, 0).is_npy(location.root):
            raise DataError(
                f"{path} is missing, and the files of {name} hold labels that another tokenizer "
                "does not fit; copy it from where they were made"
            )
        report(f"training {path} on the transcripts of {name}")
        read_facts(location.root / name, location.remedy(name))
        tokenizer.train(transcripts(location.root / name), corpus.pieces, path)

    return sentencepiece_model.made(path, given, corpus.pieces, train, report)
