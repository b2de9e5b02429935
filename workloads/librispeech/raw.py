"""Subsets of LibriSpeech as upstream publishes them: a tree of speakers and chapters."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from algoperf_jax.errors import DataError
from workloads.librispeech.subset import id_order

UPSTREAM_FOLDER = "LibriSpeech"
"""What holds the subsets in upstream's archives."""


@dataclasses.dataclass(frozen=True)
class Spoken:
    """An utterance in the tree.

    Attributes:
      id: `speaker-chapter-number`.
      transcript: upper case.
      audio: its FLAC file, which may be missing.
    """

    id: str
    transcript: str
    audio: Path


@dataclasses.dataclass(frozen=True)
class Chapter:
    """What one speaker reads of one book.

    Attributes:
      id: `speaker-chapter`.
      utterances: in the order of their numbers; None: the file with the transcripts is missing.
    """

    id: str
    utterances: list[Spoken] | None


def chapters(folder: Path) -> Iterator[Chapter]:
    """Yields a subset's chapters, sorted by speaker and chapter.

    Args:
      folder: `<subset>`, which holds `<speaker>/<chapter>/<speaker>-<chapter>.trans.txt` with a
        line `<id> <transcript>` for each `<id>.flac` beside it.

    Raises:
      DataError: a line is not of this form or is there twice, or a FLAC file has none; names it.
    """
    found = [path for path in folder.glob("*/*") if path.is_dir()]
    names = {f"{path.parent.name}-{path.name}": path for path in found}
    for name in sorted(names, key=id_order):
        path = names[name] / f"{name}.trans.txt"
        yield Chapter(name, _read(path, name) if path.exists() else None)


def _read(path: Path, chapter: str) -> list[Spoken]:
    remedy = "unpack the archive again and run the command again"
    try:
        lines = path.read_text("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error.reason}); {remedy}") from None
    spoken: dict[str, Spoken] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        utterance, _, transcript = line.strip().partition(" ")
        if not utterance.startswith(f"{chapter}-") or not transcript:
            raise DataError(
                f"{path}, line {number} is {line.strip()[:60]!r}, not "
                f"'{chapter}-<number> <transcript>'; {remedy}"
            )
        if utterance in spoken:
            raise DataError(f"{path}, line {number}: {utterance} is there twice; {remedy}")
        spoken[utterance] = Spoken(utterance, transcript, path.parent / f"{utterance}.flac")
    for audio in sorted(path.parent.glob("*.flac")):
        if audio.stem not in spoken:
            raise DataError(f"{audio.stem}: {audio} has no line in {path}; {remedy}")
    return [spoken[utterance] for utterance in sorted(spoken, key=id_order)]
