"""Small files in the form of upstream's LibriSpeech and of what the reference makes of it."""

import dataclasses
import io
import tarfile
import zlib
from pathlib import Path

import numpy as np
import soundfile

from workloads.librispeech import sample
from workloads.librispeech.files import LIBRISPEECH, TOKENIZER_FILE

FOLDER = Path(sample.__file__).parent

# Numbers of which the order as text is another one.
_CHAPTERS = {
    "dev-clean": ["84-121123", "174-50561"],
    "dev-other": ["116-288045"],
    "test-clean": ["61-70968", "1089-134686"],
    "train-clean-100": ["103-1240", "19-198", "1034-121119", "19-227"],
    "train-clean-360": ["14-208", "100-121669"],
    "train-other-500": ["20-205"],
}
_EACH = 12  # utterances of a chapter

LONG_TEXT, LONG_AUDIO, NO_AUDIO = "19-198-0003", "19-198-0004", "103-1240-0001"
"""Utterances of train-clean-100 that are left out."""
NO_TRANSCRIPTS = "1034-121119"
"""A chapter of it without its file."""

CORPUS = dataclasses.replace(
    LIBRISPEECH,
    utterances={
        subset: _EACH * len(chapters) - (_EACH - 1) * (NO_TRANSCRIPTS in chapters)
        for subset, chapters in _CHAPTERS.items()
    },
    examples={"train": 3 * 12 - 3 + 36, "validation": 36, "test": 24},
    longest_audio=3_000,
    longest_transcript=60,
    longest_labels=50,
    pieces=40,
)


def texts():
    """The transcripts of each subset by their ids, in order; None without the chapter's file."""
    lines = iter(sample.read_transcripts(FOLDER)["train-clean-100"])
    found = {}
    for subset, chapters in _CHAPTERS.items():
        of_subset = {}
        for chapter in sorted(chapters, key=lambda name: [int(part) for part in name.split("-")]):
            for k in range(_EACH):
                text = next(lines).transcript if chapter != NO_TRANSCRIPTS else None
                of_subset[f"{chapter}-{k:04d}"] = text
        found[subset] = of_subset
    found["train-clean-100"][LONG_TEXT] = "SEVEN " * 10 + "A"
    found["train-clean-360"]["14-208-0000"] = "SEVEN " * 9 + "EIGHTH"  # just not too long
    return found


def audio(utterance):
    """The samples of an utterance: noise, int16."""
    rng = np.random.default_rng(zlib.crc32(utterance.encode()))
    samples = {LONG_AUDIO: 3_001, "14-208-0000": 3_000}.get(utterance, rng.integers(500, 3_000))
    return rng.integers(-(2**15), 2**15, samples).astype(np.int16)


def kept(subset):
    """The ids that are not left out, in order."""
    left_out = (LONG_TEXT, LONG_AUDIO, NO_AUDIO)
    return [name for name, text in texts()[subset].items() if text and name not in left_out]


def write_flac(path, samples, rate=16_000, subtype="PCM_16"):
    """Writes a FLAC file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, format="FLAC", subtype=subtype)


def write_tree(folder):
    """Writes `folder/LibriSpeech` as upstream's archives unpack to, and returns `folder`."""
    for subset, of_subset in texts().items():
        for utterance, text in of_subset.items():
            speaker, chapter, _ = utterance.split("-")
            place = folder / "LibriSpeech" / subset / speaker / chapter
            place.mkdir(parents=True, exist_ok=True)
            if utterance != NO_AUDIO:
                write_flac(place / f"{utterance}.flac", audio(utterance))
            if text is not None:
                with open(place / f"{speaker}-{chapter}.trans.txt", "a") as file:
                    file.write(f"{utterance} {text}\n")
    (folder / "LibriSpeech" / "SPEAKERS.TXT").write_text("; nobody\n")
    return folder


def write_archives(tree, folder):
    """Packs a tree as upstream does, and returns `folder`."""
    folder.mkdir()
    for subset in texts():
        with tarfile.open(folder / f"{subset}.tar.gz", "w:gz", compresslevel=1) as archive:
            archive.add(tree / "LibriSpeech" / "SPEAKERS.TXT", "LibriSpeech/SPEAKERS.TXT")
            archive.add(tree / "LibriSpeech" / subset, f"LibriSpeech/{subset}")
    return folder


def write_npy(root, tokenizer, encode):
    """Writes the reference's layout: lists, int64 samples, int32 labels.

    Args:
      root: an empty or missing folder.
      tokenizer: bytes of its file.
      encode: `text -> labels` with the end behind them.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / TOKENIZER_FILE).write_bytes(tokenizer)
    for subset in texts():
        (root / subset).mkdir()
        lines = io.StringIO()
        lines.write(",id\n")
        # The reference's order is the file system's.
        for k, utterance in enumerate(reversed(kept(subset))):
            lines.write(f"{k},{utterance}\n")
            stem = root / subset / utterance
            np.save(f"{stem}_audio.npy", audio(utterance).astype(np.int64))
            labels = encode(texts()[subset][utterance])
            np.save(f"{stem}_targets.npy", np.array(labels, np.int32))
        (root / f"{subset}.csv").write_text(lines.getvalue())
    return root
