"""A second set of reference numbers: other parameters, graphs and labels than the golden vectors.

Parameters come from a hash of name and index, graphs and labels from small formulas; the values
were computed with the reference implementation v0.6.
"""

import math
import zlib

import jax
import numpy as np
import pytest

from algoperf_jax.workload import LossTerms
from workloads.ogbg.loss import loss

LOGITS = {  # logits[0, :4], logits[1, :4], sum, sum of squares
    "ogbg": (
        [-0.2112959, -0.8105184, -0.1920310, 1.5788165],
        [-0.5396299, -0.7024429, -0.4126297, 1.1469357],
        -33.872063,
        252.798100,
    ),
    "ogbg_gelu": (
        [0.4069554, -0.7489566, -0.1460677, 1.0244122],
        [-0.0560266, -0.7846169, 0.0070582, 0.8354729],
        -26.339114,
        224.984813,
    ),
    "ogbg_silu": (
        [0.2377161, -0.3181648, -0.0663259, 0.5748408],
        [-0.1292197, -0.3670440, 0.0028642, 0.5780215],
        -29.516564,
        180.725989,
    ),
    "ogbg_model_size": (
        [-1.2414871, -1.0238539, -0.5108340, 0.4311620],
        [-1.3523523, -1.3227568, -0.4702482, 0.6434211],
        25.567679,
        303.817618,
    ),
}
LOSSES = {  # summed, with smoothing 0 and 0.1
    "ogbg": (115.847862, 116.894653),
    "ogbg_gelu": (117.628693, 118.442673),
    "ogbg_silu": (118.767532, 119.267159),
    "ogbg_model_size": (129.239502, 129.707336),
}


def _hash_fill(path: str, shape: tuple[int, ...]) -> np.ndarray:
    i = np.arange(math.prod(shape), dtype=np.uint32)
    h = i * np.uint32(2654435761) + np.uint32(zlib.crc32(path.encode()))
    h ^= h >> np.uint32(15)
    h *= np.uint32(2246822519)
    h ^= h >> np.uint32(13)
    u = (2 * h.astype(np.float64) / 2**32 - 1).reshape(shape)
    if path.endswith("kernel"):
        return (u * math.sqrt(3 / shape[0])).astype(np.float32)
    return (0.1 * u + path.endswith("scale")).astype(np.float32)


def _two_molecules() -> dict[str, np.ndarray]:
    nodes, edges = np.zeros((8, 9)), np.zeros((8, 3))
    atoms, features = np.arange(5)[:, None], np.arange(9)
    nodes[:5] = (3 * atoms + 5 * features + 1) % 7
    bonds = np.array([0, 1, 0, 1, 3, 3])[:, None]
    edges[:6] = (2 * bonds + np.arange(3)) % 3
    return {
        "nodes": nodes.astype(np.float32),
        "edges": edges.astype(np.float32),
        "senders": np.array([0, 1, 1, 2, 3, 4, 5, 5], np.int32),
        "receivers": np.array([1, 2, 0, 1, 4, 3, 5, 5], np.int32),
        "n_node": np.array([3, 2, 3, 0], np.int32),
        "n_edge": np.array([4, 2, 2, 0], np.int32),
    }


def _labels_and_weights() -> dict[str, np.ndarray]:
    row, task = np.arange(4)[:, None], np.arange(128)
    weights = ((row + task) % 3 != 2) & (row < 2)
    labels = weights & ((7 * row + task) % 5 == 0)
    return {"labels": labels.astype(np.float32), "weights": weights.astype(np.float32)}


@pytest.fixture(scope="session")
def logits(variant) -> np.ndarray:
    params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: _hash_fill(
            jax.tree_util.keystr(path, simple=True, separator="/"), leaf.shape
        ),
        variant.shapes,
    )
    with jax.default_matmul_precision("highest"):
        return np.asarray(variant.evaluate(params, _two_molecules()))


def test_hash_fill_matches_its_published_first_values():
    values = _hash_fill("node_embedding/kernel", (9, 256))[0, :4]
    np.testing.assert_allclose(values, [0.2025703, -0.5678344, -0.3158439, 0.4391659], atol=1e-7)


def test_logits(variant, logits):
    first, second, total, squares = LOGITS[variant.name]
    np.testing.assert_allclose(logits[0, :4], first, atol=5e-6)
    np.testing.assert_allclose(logits[1, :4], second, atol=5e-6)
    np.testing.assert_allclose(logits.sum(dtype=np.float64), total, atol=5e-4)
    np.testing.assert_allclose((logits.astype(np.float64) ** 2).sum(), squares, rtol=1e-5)


def test_summed_loss(variant, logits):
    batch = _labels_and_weights()
    plain: LossTerms = loss(logits, batch)
    smoothed: LossTerms = loss(logits, batch, label_smoothing=0.1)
    assert plain.n_valid == smoothed.n_valid == 171
    assert batch["labels"].sum() == 34
    np.testing.assert_allclose([plain.summed, smoothed.summed], LOSSES[variant.name], rtol=1e-6)
