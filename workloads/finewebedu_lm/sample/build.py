"""Builds the embedded sample: five novels of Jane Austen as documents, and a small vocabulary.

    python -m workloads.finewebedu_lm.sample.build DATA [--output DIR]

DATA is the folder `data` of the package that README.md names. Needs `tokenizers`. Users never run
this.
"""

import argparse
import bz2
import gzip
import hashlib
import json
import lzma
import re
import struct
import zlib
from pathlib import Path
from typing import Any

from workloads.finewebedu_lm import sample
from workloads.finewebedu_lm.tokenizer import END_OF_TEXT, MERGES, VOCABULARY, byte_letters

TRAINING = ("emma", "mansfieldpark", "prideprejudice", "sensesensibility")
VALIDATION = "persuasion"

SOURCES = {
    "emma": "7c67b5985c6d0de1",
    "persuasion": "8061549557aebd2f",
}
"""How the SHA-256 of some novels begins, a line end behind each line."""

_CHAPTER = re.compile(r"chapter\s+([ivxlc]+|\d+)\.?", re.IGNORECASE)
_VOLUME = re.compile(r"volume\s+([ivxlc]+|\d+)\.?", re.IGNORECASE)


def read_novels(data: Path) -> dict[str, list[str]]:
    """The lines of each novel, out of R's lazy-load format.

    `Rdata.rdx` is an index of names, positions and lengths; at each position of `Rdata.rdb` stands
    the length of the content in four bytes, how it is compressed, and a character vector as R
    serialises it.
    """
    index = dict(_R(gzip.decompress((data / "Rdata.rdx").read_bytes())).document())
    names, blob = index["variables"], (data / "Rdata.rdb").read_bytes()
    novels = {}
    for name, (start, length) in names.items():
        novels[name] = _R(_unpacked(blob[start : start + length])).document()
    for name, begins in SOURCES.items():
        found = hashlib.sha256("".join(f"{line}\n" for line in novels[name]).encode()).hexdigest()
        if not found.startswith(begins):
            raise ValueError(f"{name} is another text: SHA-256 {found}")
    return novels


def chapters(lines: list[str]) -> list[str]:
    """The chapters of a novel: paragraphs a line each, without the headings.

    What stands before the first chapter is left out, and so are headings of volumes and the line
    that ends the book.
    """
    found: list[list[str]] = []
    paragraph: list[str] = []
    for line in [*(line.strip() for line in lines), ""]:
        if _CHAPTER.fullmatch(line):
            found.append([])
            paragraph = []
        elif _VOLUME.fullmatch(line) or line.upper() in ("THE END", "FINIS"):
            paragraph = []
        elif line:
            paragraph.append(line)
        elif paragraph:
            if found:
                found[-1].append(" ".join(paragraph))
            paragraph = []
    return ["\n".join(paragraphs) for paragraphs in found]


def trained_merges(documents: list[str]) -> list[str]:
    """The merges of a byte-level BPE, in the order in which they were learned."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=sample.CORPUS.vocabulary_size - 1,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [" ".join(pair) if isinstance(pair, list) else pair for pair in merges]


def main() -> None:
    """Writes the sample's files."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("data", type=Path)
    p.add_argument("--output", type=Path, default=Path(__file__).parent)
    flags = p.parse_args()
    novels = read_novels(flags.data)
    documents = {
        "train": [text for name in TRAINING for text in chapters(novels[name])],
        "val": chapters(novels[VALIDATION]),
    }
    merges = trained_merges(documents["train"])
    pieces = [*byte_letters(), *(merge.replace(" ", "") for merge in merges), END_OF_TEXT]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    text = json.dumps(documents, ensure_ascii=False).encode()
    (flags.output / sample.DOCUMENTS).write_bytes(lzma.compress(text, preset=9))
    (flags.output / VOCABULARY).write_text(json.dumps(vocabulary, ensure_ascii=False) + "\n")
    (flags.output / MERGES).write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    for part, texts in documents.items():
        print(part, len(texts), "documents,", sum(len(text.encode()) for text in texts), "bytes")
    print(len(vocabulary), "pieces")


def _unpacked(block: bytes) -> bytes:
    kind = block[4:5]
    if kind == b"2":
        return bz2.decompress(block[5:])
    if kind == b"Z":
        raw = [{"id": lzma.FILTER_LZMA2}]
        return lzma.decompress(block[5:], format=lzma.FORMAT_RAW, filters=raw)
    return zlib.decompress(block[4:])


class _R:
    """R's serialisation in XDR, as far as lists, numbers and texts go."""

    def __init__(self, content: bytes):
        self._content = content
        self._at = 0
        self._symbols: list[Any] = []

    def document(self) -> Any:
        """The object: lists with names are dicts."""
        if self._take(2) != b"X\n":
            raise ValueError("not an R object in XDR")
        version = self._int()
        self._take(8)
        if version == 3:
            self._take(self._int())
        return self._item()

    def _item(self) -> Any:
        flags = self._int()
        kind = flags & 0xFF
        if kind == 254:
            return None
        if kind == 255:
            return self._symbols[(flags >> 8) - 1]
        if kind == 1:
            self._symbols.append(self._item())
            return self._symbols[-1]
        if kind == 2:
            if flags & 0x200:
                self._item()
            name = self._item() if flags & 0x400 else None
            value = self._item()
            return [(name, value), *(self._item() or [])]
        if kind == 9:
            length = self._int()
            return None if length < 0 else self._take(length).decode("utf-8")
        if kind in (10, 13):
            value = [self._int() for _ in range(self._int())]
        elif kind == 14:
            count = self._int()
            value = list(struct.unpack(f">{count}d", self._take(8 * count)))
        elif kind in (16, 19):
            value = [self._item() for _ in range(self._int())]
        else:
            raise ValueError(f"an R object of kind {kind} at {self._at}")
        names = dict(self._item()).get("names") if flags & 0x200 else None
        return dict(zip(names, value, strict=True)) if names else value

    def _int(self) -> int:
        return int(struct.unpack(">i", self._take(4))[0])

    def _take(self, count: int) -> bytes:
        self._at += count
        return self._content[self._at - count : self._at]


if __name__ == "__main__":
    main()
