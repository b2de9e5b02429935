"""The translation model on the golden batches, for all variants and fills."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from golden_vectors import GoldenSet, cases

from workloads.wmt import CONFIGS, workload
from workloads.wmt.model import Transformer


@dataclasses.dataclass(frozen=True)
class Variant:
    """A variant's network, the shapes of its parameters, and its golden vectors."""

    name: str
    network: Transformer
    shapes: Any
    golden: dict[str, Any]

    @functools.cached_property
    def outputs(self) -> Any:
        """`(params, batch) -> Outputs`, compiled, in evaluation."""
        return jax.jit(
            lambda params, batch: self.network.apply(
                {"params": params}, batch, train=False, dropout_rate=0.0
            )
        )


@dataclasses.dataclass(frozen=True)
class Case:
    """A variant's outputs on both batches, and what the reference has for them.

    Batches are named `eval` and `packed_eval`, as the vectors are; `outputs` computes those of one
    when they are asked for.
    """

    variant: Variant
    params: Any
    batches: dict[str, dict[str, np.ndarray]]
    outputs: Callable[[str], Any]
    expected: dict[str, Any]


@functools.cache
def variant_of(name: str, golden: GoldenSet) -> Variant:
    """The variant of that name."""
    shapes, _ = jax.eval_shape(workload(name, "full").init, jax.random.key(0))
    return Variant(name, Transformer(CONFIGS[name]), shapes, golden.load(name))


def batches(golden: GoldenSet) -> dict[str, dict[str, np.ndarray]]:
    """The golden batches by the names of their vectors."""
    return {"eval": golden.arrays("inputs_wmt"), "packed_eval": golden.arrays("inputs_wmt_packed")}


@functools.lru_cache(maxsize=1)  # the parameters of one take half a gigabyte
def _case(name: str, fill: str, golden: GoldenSet) -> Case:
    variant, inputs = variant_of(name, golden), batches(golden)
    params = golden.fill_tree(variant.shapes, fill)

    @functools.cache
    def outputs(batch: str) -> Any:
        with jax.default_matmul_precision("highest"):
            return variant.outputs(params, inputs[batch])

    return Case(variant, params, inputs, outputs, variant.golden[fill])


@pytest.fixture(autouse=True)
def _full_float32_products():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture
def case(request: pytest.FixtureRequest, golden: GoldenSet) -> Case:
    """The variant and the fill that are the indirect parameter."""
    return _case(*request.param, golden)


@pytest.fixture(params=cases(CONFIGS, [("wmt", "fill_B")]))
def case_for_outputs(request: pytest.FixtureRequest, golden: GoldenSet) -> Case:
    """Every variant with both fills, for what is computed of outputs; by default one of them."""
    return _case(*request.param, golden)
