"""The prepared text: two streams of tokens, in what folder, and what is known of it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from algoperf_jax.data.array_folder import ArrayFolder, Items
from algoperf_jax.data.stored import StoredData

TRAIN, VALIDATION = "train", "val"
PARTS = (TRAIN, VALIDATION)

FORMS = {
    f"{part}_{name}": form
    for part in PARTS
    for name, form in (("tokens", Items("<u2")), ("ends", Items("<i8")))
}
"""Of each part the ids of its documents, one behind the other, and where each document ends."""

FOLDER = ArrayFolder(Path("tokens.arrays"), FORMS, f"{VALIDATION}_tokens", {"tokens": 0})
"""How many tokens there are is for the preparation to say: of the benchmark's nobody does."""

STORED = StoredData("finewebedu_lm", (FOLDER,), ("", "fineweb_edu_10B"))


class Corpus(NamedTuple):
    """What text there is; the defaults are the benchmark's.

    Attributes:
      length: tokens of a row; a sequence has one more.
      vocabulary_size: ids there are.
      training_sequences: how many there are for training; at full scale the nominal number.
      eval_train_sequences, validation_sequences: that are evaluated, the first of their part.
    """

    length: int = 1024
    vocabulary_size: int = 50_257
    training_sequences: int = 8_749_870
    eval_train_sequences: int = 10_240
    validation_sequences: int = 100_096


FINEWEB_EDU = Corpus()
"""The subset of ten billion tokens."""


class Ends:
    """Where the documents of each part end, as they are written one after another."""

    def __init__(self) -> None:
        self._written = dict.fromkeys(PARTS, 0)

    def arrays(self, part: str, documents: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """The next items of a part's arrays; documents are ids, uint16."""
        lengths = np.array([len(ids) for ids in documents], np.int64)
        ends = self._written[part] + np.cumsum(lengths)
        self._written[part] += int(lengths.sum())
        tokens = np.concatenate([np.zeros(0, np.uint16), *documents])
        return {f"{part}_tokens": tokens, f"{part}_ends": ends}


def in_chunks(documents: Iterable[np.ndarray], tokens: int) -> Iterator[list[np.ndarray]]:
    """Consecutive documents, so many tokens at a time or a few more."""
    chunk: list[np.ndarray] = []
    size = 0
    for ids in documents:
        chunk.append(ids)
        size += len(ids)
        if size >= tokens:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
