"""The networks on the golden images, for all variants and fills."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from golden_vectors import GoldenSet, cases

from workloads.imagenet import NETWORKS, workload

WITH_FILLS = [name for name in NETWORKS if name != "imagenet_resnet_large_bn_init"]
"""The variants whose outputs the reference has; the other one is the base with other values."""

BASES = ("imagenet_resnet", "imagenet_vit")


@dataclasses.dataclass(frozen=True)
class Variant:
    """A variant's name and network, the shapes of its variables, and its golden vectors.

    `forward(params, model_state, images, train=...)` gives logits and model state; batch norms
    and dropout of rate 0 are as in training, or as in evaluation.
    """

    name: str
    network: Any
    shapes: tuple[Any, Any]
    golden: dict[str, Any]
    forward: Callable[..., tuple[jax.Array, Any]]

    def variables(self, golden: GoldenSet, fill: str) -> tuple[Any, Any]:
        """Filled parameters and model state."""
        params, model_state = self.shapes
        state = {name: golden.fill_batch_stats(stats) for name, stats in model_state.items()}
        return golden.fill_tree(params, fill), state


@dataclasses.dataclass(frozen=True)
class Case:
    """The logits of a variant in evaluation, the batch, and what the reference has for them."""

    logits: np.ndarray
    batch: dict[str, np.ndarray]
    expected: dict[str, Any]


@functools.cache
def _variant(name: str, golden: GoldenSet) -> Variant:
    network = NETWORKS[name]

    def forward(params, model_state, images, *, train):
        logits, written = network.apply(
            {"params": params, **model_state},
            images,
            train=train,
            dropout_rate=0.0,
            batch_norm="update" if train else "running",
            mutable=list(model_state),
        )
        return logits, dict(written) if model_state else model_state

    shapes = jax.eval_shape(workload(name, "full").init, jax.random.key(0))
    compiled = jax.jit(forward, static_argnames="train")
    return Variant(name, network, shapes, golden.load(name), compiled)


@pytest.fixture(autouse=True)
def _full_float32_products():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture
def variant(request: pytest.FixtureRequest, golden: GoldenSet) -> Variant:
    """The variant whose name is the indirect parameter."""
    return _variant(request.param, golden)


@pytest.fixture(scope="session")
def golden_batch(golden: GoldenSet) -> dict[str, np.ndarray]:
    """Classes and weights of the golden images."""
    return {
        "targets": golden.imagenet_targets(),
        "weights": np.array([1, 1, 0, 1], np.float32),
    }


@functools.cache
def _logits(name: str, fill: str, golden: GoldenSet) -> np.ndarray:
    variant = _variant(name, golden)
    with jax.default_matmul_precision("highest"):
        logits, _ = variant.forward(
            *variant.variables(golden, fill), golden.imagenet_images(), train=False
        )
    return np.asarray(logits)


def _case(name: str, fill: str, golden: GoldenSet, golden_batch) -> Case:
    expected = golden.load(name)[fill]["eval"]
    return Case(_logits(name, fill, golden), golden_batch, expected)


@pytest.fixture(
    # fill_B, which tells all parameters apart, is enough where layers are shared.
    params=cases(
        WITH_FILLS,
        [(name, "fill_B") for name in WITH_FILLS] + [(name, "fill_A") for name in BASES],
    )
)
def case(request: pytest.FixtureRequest, golden: GoldenSet, golden_batch) -> Case:
    """Every variant with both fills."""
    return _case(*request.param, golden, golden_batch)


@pytest.fixture(params=cases(WITH_FILLS, [("imagenet_resnet", "fill_B")]))
def case_for_logits(request: pytest.FixtureRequest, golden: GoldenSet, golden_batch) -> Case:
    """The same, for what is computed of logits, of whatever network; one of them by default."""
    return _case(*request.param, golden, golden_batch)
