"""Random molecules for tests: chains with a few more bonds, in the flat arrays of the loader."""

import numpy as np

from workloads.ogbg.molecules import Molecules


def random_molecules(count: int, seed: int, *, largest: int = 40, split: str = "train"):
    """Returns `count` molecules of 1 to `largest` atoms.

    The first atom's first two codes are the molecule's index, `256 * first + second`.
    """
    rng = np.random.default_rng(seed)
    num_nodes = rng.integers(1, largest + 1, count)
    num_edges = num_nodes - 1 + rng.integers(0, 4, count)
    node_offsets = np.concatenate([[0], np.cumsum(num_nodes)])
    edge_offsets = np.concatenate([[0], np.cumsum(num_edges)])
    node_feat = rng.integers(0, 256, (node_offsets[-1], 9)).astype(np.uint8)
    node_feat[node_offsets[:-1], 0], node_feat[node_offsets[:-1], 1] = divmod(np.arange(count), 256)
    return Molecules(
        split=split,
        node_feat=node_feat,
        edge_feat=rng.integers(0, 256, (edge_offsets[-1], 3)).astype(np.uint8),
        edge_index=rng.integers(
            0, np.repeat(num_nodes, num_edges)[:, None], (edge_offsets[-1], 2)
        ).astype(np.uint16),
        labels=rng.integers(-1, 2, (count, 128)).astype(np.int8),
        node_offsets=node_offsets,
        edge_offsets=edge_offsets,
    )
