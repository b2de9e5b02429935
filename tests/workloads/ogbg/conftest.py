"""The model on the golden inputs, for all variants and fills."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest
from golden_vectors import GoldenSet

from workloads.ogbg import NETWORKS, workload
from workloads.ogbg.model import GraphNetwork


@dataclasses.dataclass(frozen=True)
class Variant:
    """A variant's name, model, randomly initialised parameters and golden vectors."""

    name: str
    model: GraphNetwork
    initial_params: Any
    golden: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Case:
    """A variant with filled parameters, its logits, and what the reference has for them."""

    variant: Variant
    params: Any
    batch: dict[str, np.ndarray]
    logits: np.ndarray
    expected: dict[str, Any]


@pytest.fixture(autouse=True)
def _full_float32_products():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(scope="session", params=NETWORKS)
def variant(request: pytest.FixtureRequest, golden: GoldenSet) -> Variant:
    """Every variant in turn."""
    model = NETWORKS[request.param]
    params, _ = jax.jit(workload(request.param, "full").init)(jax.random.key(0))
    return Variant(request.param, model, params, golden.load(request.param))


@pytest.fixture(scope="session")
def golden_batch(golden: GoldenSet) -> dict[str, np.ndarray]:
    """The golden input under the batch keys of this kit: 3 graphs and 2 slots of padding."""
    inputs = golden.arrays("inputs_ogbg")
    inputs["labels"] = inputs.pop("targets")
    inputs["in_reference_subset"] = np.ones(len(inputs["n_node"]), bool)
    return inputs


@pytest.fixture(scope="session", params=["fill_A", "fill_B"])
def case(request: pytest.FixtureRequest, variant: Variant, golden: GoldenSet, golden_batch) -> Case:
    """Every variant with both fills."""
    params = golden.fill_tree(variant.initial_params, request.param)
    apply = jax.jit(
        lambda params: variant.model.apply(
            {"params": params}, golden_batch, train=False, dropout_rate=0.1
        )
    )
    with jax.default_matmul_precision("highest"):
        logits = np.asarray(apply(params))
    return Case(variant, params, golden_batch, logits, variant.golden[request.param])
