"""The model on the golden inputs, for all variants and fills."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from golden_vectors import GoldenSet, cases

from workloads.ogbg import NETWORKS, workload
from workloads.ogbg.model import GraphNetwork


@dataclasses.dataclass(frozen=True)
class Variant:
    """A variant's name, model, shapes of parameters, and golden vectors.

    `evaluate(params, batch)` gives the logits.
    """

    name: str
    model: GraphNetwork
    shapes: Any
    golden: dict[str, Any]
    evaluate: Callable[..., jax.Array]


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


@functools.cache
def _variant(name: str, golden: GoldenSet) -> Variant:
    model = NETWORKS[name]
    shapes, _ = jax.eval_shape(workload(name, "full").init, jax.random.key(0))
    evaluate = jax.jit(
        lambda params, batch: model.apply({"params": params}, batch, train=False, dropout_rate=0.1)
    )
    return Variant(name, model, shapes, golden.load(name), evaluate)


@functools.cache
def _golden_batch(golden: GoldenSet) -> dict[str, np.ndarray]:
    inputs = golden.arrays("inputs_ogbg")
    inputs["labels"] = inputs.pop("targets")
    inputs["in_reference_subset"] = np.ones(len(inputs["n_node"]), bool)
    return inputs


@functools.cache
def _case(name: str, fill: str, golden: GoldenSet) -> Case:
    variant, batch = _variant(name, golden), _golden_batch(golden)
    params = golden.fill_tree(variant.shapes, fill)
    with jax.default_matmul_precision("highest"):
        logits = np.asarray(variant.evaluate(params, batch))
    return Case(variant, params, batch, logits, variant.golden[fill])


@pytest.fixture(scope="session", params=NETWORKS)
def variant(request: pytest.FixtureRequest, golden: GoldenSet) -> Variant:
    """Every variant in turn."""
    return _variant(request.param, golden)


@pytest.fixture(scope="session")
def golden_batch(golden: GoldenSet) -> dict[str, np.ndarray]:
    """The golden input under the batch keys of this kit: 3 graphs and 2 slots of padding."""
    return _golden_batch(golden)


@pytest.fixture(
    # fill_B, which tells all parameters apart, is enough where layers are shared.
    params=cases(NETWORKS, [("ogbg", "fill_A"), *((name, "fill_B") for name in NETWORKS)])
)
def case(request: pytest.FixtureRequest, golden: GoldenSet) -> Case:
    """Every variant with both fills."""
    return _case(*request.param, golden)


@pytest.fixture(params=cases(NETWORKS, [("ogbg", "fill_B")]))
def case_for_logits(request: pytest.FixtureRequest, golden: GoldenSet) -> Case:
    """The same, for what is computed of logits, of whatever network; one of them by default."""
    return _case(*request.param, golden)
