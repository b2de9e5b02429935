"""Word errors: how many words have to be changed, left out or added to make one text of another.

The benchmark's word error rate does not compare the texts but what Python prints for a TensorFlow
tensor that holds one, and its targets mean that. So `HELLO WORLD` counts as four words,
`tf.Tensor(b'HELLO`, `WORLD',`, `shape=(),` and `dtype=string)`: two always are right, and a word
too few or too many at either end makes an error more. The plain rate compares the texts.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np


class WordErrors(NamedTuple):
    """Counts over some texts.

    Attributes:
      errors: words changed, left out or added.
      words: of the references.
    """

    errors: int
    words: int

    @property
    def rate(self) -> float:
        """Errors over words; NaN where there is no word."""
        return self.errors / self.words if self.words else float("nan")


PRINTED_WORDS_OF_NOTHING = 3
"""Words that count for a reference without text, as it is printed."""


def as_printed(text: str) -> str:
    """The text as Python prints a TensorFlow tensor that holds it."""
    return f"tf.Tensor({text.encode()!r}, shape=(), dtype=string)"


def word_errors(hypotheses: Iterable[str], references: Iterable[str]) -> WordErrors:
    """Counts word errors; words are what white space divides.

    Args:
      hypotheses: what was understood.
      references: what was said, as many.
    """
    heard, said = _as_numbers(hypotheses, references)
    return WordErrors(int(edit_distances(heard, said).sum()), sum(map(len, said)))


def _as_numbers(*texts: Iterable[str]) -> list[list[np.ndarray]]:
    """The words of texts as numbers, the same number for the same word."""
    numbers: dict[str, int] = {}
    return [
        [
            np.array([numbers.setdefault(word, len(numbers)) for word in text.split()], np.int64)
            for text in side
        ]
        for side in texts
    ]


def edit_distances(sequences: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> np.ndarray:
    """Computes Levenshtein distances: changes, insertions and deletions at a cost of 1 each.

    The table of all pairs is filled at once, a row of each at a time. Within a row insertions are a
    running minimum: `d[j] = min(d[j], d[j - 1] + 1)` is `min over k <= j of (d[k] - k)`, plus j.

    Args:
      sequences, others: as many of each, non-negative integers `[length]`.

    Returns:
      int64 `[pairs]`.
    """
    lengths = np.array([len(x) for x in sequences], np.int64)
    other_lengths = np.array([len(x) for x in others], np.int64)
    x, y = _padded(sequences), _padded(others)
    places = np.arange(y.shape[1] + 1)
    row = np.tile(places, (len(y), 1))
    for i, column in enumerate(x.T):
        changed = row[:, :-1] + (y != column[:, None])
        best = np.minimum(changed, row[:, 1:] + 1)
        best = np.concatenate([np.full((len(y), 1), i + 1), best], axis=1)
        below = np.minimum.accumulate(best - places, axis=1) + places
        row = np.where((i < lengths)[:, None], below, row)
    return np.take_along_axis(row, other_lengths[:, None], axis=1)[:, 0]


def _padded(sequences: Sequence[np.ndarray]) -> np.ndarray:
    """All sequences as rows of one array, -1 behind their ends."""
    filled = list(itertools.zip_longest(*sequences, fillvalue=-1))
    return np.array(filled, np.int64).reshape(len(filled), len(sequences)).T
