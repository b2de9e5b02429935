"""Made-up sentence pairs, for batches that need no data."""

import numpy as np

from algoperf_jax.data.sentencepiece_model import END
from workloads.wmt.pairs import Pairs, Tokens

_SHARE_OF_ROW = 8
"""The longest sentences take so many times less than a row; those of WMT take about as much."""


def random_pairs(count: int, seed: int, length: int, vocabulary_size: int) -> Pairs:
    """Returns pairs of sentences of random tokens and lengths.

    Args:
      count: number of pairs.
      seed: not negative.
      length: of a row.
      vocabulary_size: ids are below it.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, max(length // _SHARE_OF_ROW, 3), (count, 2))

    def side(lengths: np.ndarray) -> Tokens:
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        flat = rng.integers(END + 1, vocabulary_size, offsets[-1], np.uint16)
        flat[offsets[1:] - 1] = END
        return Tokens(flat, offsets)

    return Pairs(*map(side, lengths.T), packed_sizes=lengths, pairs_read=count)
