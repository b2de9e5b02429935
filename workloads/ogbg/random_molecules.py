"""Random molecules: chains with a few more bonds, in the flat arrays of the loader.

They stand in for data where there are none, in measurements of the step and in tests.
"""

import numpy as np

from workloads.ogbg.molecules import EDGE_FEATURES, NODE_FEATURES, TASKS, Molecules

MORE_BONDS = 2
"""The most bonds that a random molecule has beyond the number of its atoms."""


def random_molecules(
    count: int, seed: int, *, largest: int = 40, split: str = "train"
) -> Molecules:
    """Returns `count` molecules of 1 to `largest` atoms.

    The first atom's first two codes are the molecule's index, `256 * first + second`.
    """
    rng = np.random.default_rng(seed)
    num_nodes = rng.integers(1, largest + 1, count)
    num_edges = num_nodes - 1 + rng.integers(0, MORE_BONDS + 2, count)
    node_offsets = np.concatenate([[0], np.cumsum(num_nodes)])
    edge_offsets = np.concatenate([[0], np.cumsum(num_edges)])
    atoms, bonds = node_offsets[-1], edge_offsets[-1]
    node_feat = rng.integers(0, 256, (atoms, NODE_FEATURES)).astype(np.uint8)
    node_feat[node_offsets[:-1], 0], node_feat[node_offsets[:-1], 1] = divmod(np.arange(count), 256)
    return Molecules(
        split=split,
        node_feat=node_feat,
        edge_feat=rng.integers(0, 256, (bonds, EDGE_FEATURES)).astype(np.uint8),
        edge_index=rng.integers(0, np.repeat(num_nodes, num_edges)[:, None], (bonds, 2)).astype(
            np.uint16
        ),
        labels=rng.integers(-1, 2, (count, TASKS)).astype(np.int8),
        node_offsets=node_offsets,
        edge_offsets=edge_offsets,
    )
