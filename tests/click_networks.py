"""Networks of the Criteo workload with smaller tables, on the golden batch."""

import functools
from typing import Any

import jax
import numpy as np
from golden_vectors import GoldenSet

from workloads.criteo1tb import CONFIGS
from workloads.criteo1tb.model import DLRM

NAMES = ("criteo1tb", "criteo1tb_layernorm", "criteo1tb_resnet")
"""The variants that compute something else; the fourth has other initial embeddings."""

ROWS = 65_536
"""Of the table in the golden vectors that the default suite computes."""


def network_of(name: str, rows: int = ROWS) -> DLRM:
    """The variant's network with a table of so many rows."""
    return DLRM(CONFIGS[name]._replace(rows=rows))


def batch_of(golden: GoldenSet) -> dict[str, np.ndarray]:
    """The golden input under the batch keys of this kit."""
    inputs = golden.arrays("inputs_criteo1tb")
    return {
        "numbers": inputs["inputs"][:, :13],
        "rows": inputs["inputs"][:, 13:].astype(np.int32),
        "labels": inputs["targets"].astype(np.uint8),
        "weights": inputs["weights"],
    }


def initial(network: DLRM, batch: dict[str, np.ndarray], key: jax.Array) -> Any:
    """Initial parameters."""
    variables = network.init(key, batch, train=False, dropout_rate=0.0, batch_norm="running")
    return variables["params"]


def logits(network: DLRM, params: Any, batch: dict[str, np.ndarray], *, train: bool = False) -> Any:
    """Of a batch, nothing dropped."""
    return network.apply(
        {"params": params}, batch, train=train, dropout_rate=0.0, batch_norm="running"
    )


def filled(network: DLRM, fill: str, golden: GoldenSet) -> Any:
    """Parameters by the golden vectors' formulas."""
    init = functools.partial(initial, network, batch_of(golden))
    shapes = jax.eval_shape(init, jax.random.key(0))
    return golden.fill_tree(shapes, fill)
