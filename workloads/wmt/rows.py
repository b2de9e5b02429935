"""Rows of tokens: several sentence pairs packed into one for training, one each for evaluation."""

from collections.abc import Sequence

import numpy as np

from algoperf_jax.data.packing import Packing
from algoperf_jax.data.ragged import places, ranges
from workloads.wmt.pairs import Pairs

PAIRS_PER_GROUP = 256
"""After so many pairs of the stream a new row is begun, wherever the last one ends."""

SIDES = ("inputs", "targets")


def row_packing(pairs: Pairs, length: int) -> Packing:
    """How pairs fill rows: the next one joins while there is room for it on both sides."""
    return Packing(pairs.packed_sizes, room=(length, length), group=PAIRS_PER_GROUP)


def packed_rows(pairs: Pairs, items: Sequence[np.ndarray], length: int) -> dict[str, np.ndarray]:
    """Returns rows that several sentence pairs share.

    Of a sentence with k unknown pieces, whose id is that of padding, the last k tokens are cut off.
    The benchmark's reference implementation (v0.6) does so: it takes as many tokens as are not 0.

    Args:
      pairs: of the split.
      items: int64 arrays, the pairs of each row; they have to fit.
      length: of a row.

    Returns:
      int32 `[rows, length]`, 0 where there is nothing: `inputs`, `targets`; `inputs_position`,
      `targets_position`, places within the sentence; `inputs_segmentation`, `targets_segmentation`,
      the number of the sentence in its row, from 1 on, and 0 at unknown pieces. float32
      `[rows, length]`: `weights`, 1 where a target token counts.
    """
    chosen = np.concatenate(items)
    per_row = np.array([len(row) for row in items])
    row = np.repeat(np.arange(len(items)), per_row)
    batch = {}
    for side, sizes in zip(SIDES, pairs.packed_sizes[chosen].T, strict=True):
        tokens = getattr(pairs, side)
        ids = tokens.flat[ranges(tokens.offsets[chosen], sizes)]
        before = np.cumsum(sizes) - sizes  # tokens of this side in the sentences before, all rows
        before_row = np.concatenate([before, [sizes.sum()]])[np.cumsum(per_row) - per_row]
        where = ranges(row * length + before - before_row[row], sizes)
        segments = np.repeat(places(per_row) + 1, sizes)
        for name, values in (
            (side, ids),
            (f"{side}_position", places(sizes)),
            (f"{side}_segmentation", np.where(ids != 0, segments, 0)),
        ):
            flat = np.zeros(len(items) * length, np.int32)
            flat[where] = values
            batch[name] = flat.reshape(len(items), length)
    return {**batch, "weights": (batch["targets"] > 0).astype(np.float32)}


def single_rows(pairs: Pairs, chosen: np.ndarray, length: int) -> dict[str, np.ndarray]:
    """Returns rows with one sentence pair each.

    Args:
      pairs: of the split.
      chosen: int64 `[rows]`, which ones.
      length: of a row.

    Returns:
      int32 `[rows, length]`, 0 where there is nothing: `inputs` and `targets`. float32
      `[rows, length]`: `weights`, 1 where a target token counts.
    """
    batch = {}
    for side, sizes in zip(SIDES, pairs.lengths[chosen].T, strict=True):
        tokens = getattr(pairs, side)
        rows = np.zeros((len(chosen), length), np.int32)
        filled = np.arange(length) < sizes[:, None]
        rows[filled] = tokens.flat[ranges(tokens.offsets[chosen], sizes)]
        batch[side] = rows
    return {**batch, "weights": (batch["targets"] > 0).astype(np.float32)}
