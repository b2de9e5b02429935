"""The vocabulary shared by both languages: a SentencePiece model trained on the first pairs."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from algoperf_jax.data import sentencepiece_model

TRAINING_BYTES = 10_000_000
"""Of text from which a vocabulary is trained."""


def train(
    pairs: Iterable[tuple[bytes, bytes]],
    size: int,
    destination: Path,
    *,
    text_bytes: int = TRAINING_BYTES,
) -> None:
    """Trains a vocabulary on the first pairs; see `sentencepiece_model.train`.

    Args:
      pairs: German and English lines, UTF-8, in reading order; taken until `text_bytes` are
        reached.
      size: number of pieces.
      destination: the model's file; its folder is made if it does not exist.
      text_bytes: how much text the trainer is given, line ends included; the last pair is complete.

    Raises:
      DataError: the trainer refuses the text, most often as it is too small for so many pieces.
    """
    sentencepiece_model.train(_lines(pairs, text_bytes), size, destination)


def _lines(pairs: Iterable[tuple[bytes, bytes]], text_bytes: int) -> Iterator[bytes]:
    """Yields German and English lines in turn."""
    taken = 0
    for pair in pairs:
        if taken >= text_bytes:
            break
        taken += sum(len(line) + 1 for line in pair)
        yield from pair
