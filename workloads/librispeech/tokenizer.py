"""The tokenizer: a SentencePiece model of upper-case transcripts.

Its piece 0, which stands for unknown text, is the blank of CTC besides; labels end with piece 2.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from algoperf_jax.data import sentencepiece_model

TRAINING_CHARACTERS = 10_000_000
"""Of transcripts from which a tokenizer is trained; LibriSpeech has half as many."""


def train(
    transcripts: Iterable[str],
    pieces: int,
    destination: Path,
    *,
    characters: int = TRAINING_CHARACTERS,
) -> None:
    """Trains a tokenizer and writes it to `destination`; see `sentencepiece_model.train`.

    Args:
      transcripts: in the order of speakers, chapters and utterances; taken until there are so many
        `characters`. The order, which is part of the result, is the file system's in the reference.
      pieces: how many there shall be.
      destination: the model's file; its folder is made if it does not exist.
      characters: the transcript that reaches this number is the last one.

    Raises:
      DataError: the trainer refuses the text, most often as it is too small for so many pieces.
    """
    sentencepiece_model.train(_lines(transcripts, characters), pieces, destination)


def _lines(transcripts: Iterable[str], characters: int) -> Iterator[bytes]:
    taken = 0
    for transcript in transcripts:
        if taken >= characters:
            break
        taken += len(transcript)
        yield transcript.encode()
