"""The translation model on the golden batches, for all variants and fills."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
import pytest
from golden_vectors import GoldenSet

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

    Batches are named `eval` and `packed_eval`, as the vectors are.
    """

    variant: Variant
    params: Any
    batches: dict[str, dict[str, np.ndarray]]
    outputs: dict[str, Any]
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
    variant = variant_of(name, golden)
    params = golden.fill_tree(variant.shapes, fill)
    with jax.default_matmul_precision("highest"):
        outputs = {key: variant.outputs(params, batch) for key, batch in batches(golden).items()}
    return Case(variant, params, batches(golden), outputs, variant.golden[fill])


@pytest.fixture(autouse=True)
def _full_float32_products():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(
    scope="module",
    params=[
        ("wmt", "fill_A"),
        ("wmt", "fill_B"),
        *(
            pytest.param((name, fill), marks=[pytest.mark.slow] if fill == "fill_A" else [])
            for name in CONFIGS
            if name != "wmt"
            for fill in ("fill_A", "fill_B")
        ),
    ],
    ids="-".join,
)
def case(request: pytest.FixtureRequest, golden: GoldenSet) -> Case:
    """Every variant with both fills."""
    return _case(*request.param, golden)
