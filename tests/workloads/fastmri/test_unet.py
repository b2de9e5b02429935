"""The network, its loss and its metrics against the reference's numbers; norms, dropout."""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_vectors import (
    GoldenSet,
    assert_array_record,
    assert_gradient_norms,
    assert_initial_values,
    assert_loss,
    assert_param_table,
)
from traced import primitives

from algoperf_jax.parameters import describe, infer_kinds
from workloads.fastmri import CONFIGS, workload
from workloads.fastmri.loss import loss
from workloads.fastmri.metrics import evaluate
from workloads.fastmri.unet import Config, Doubling, UNet, halved, instance_norm

KEY = jax.random.key(0)
SMALL = Config(channels=4, levels=2)


@dataclasses.dataclass(frozen=True)
class Case:
    """A variant with filled parameters, its images, and what the reference has for them."""

    network: UNet
    params: Any
    batch: dict[str, np.ndarray]
    images: jax.Array
    expected: dict[str, Any]


def batch_of(golden: GoldenSet) -> dict[str, np.ndarray]:
    """The golden input."""
    b, h, w = np.ogrid[:2, :320, :320]
    rows, columns = 0.03 * h + 0.7 * b + golden.phi, 0.045 * w
    inputs = np.sin(rows) * np.cos(columns) + 0.3 * golden.texture((2, 320, 320))
    targets = 0.9 * np.sin(rows + 0.1) * np.cos(columns + 0.05)
    targets = targets + 0.2 * golden.texture((2, 320, 320), 17)
    numbers = {
        "mean": 1e-4 * (1 + 0.1 * np.arange(2)),
        "std": 2e-4 * (1 + 0.2 * np.arange(2)),
        "volume_max": 1e-3 * (1 + 0.3 * np.arange(2)),
        "weights": np.array([1, 0]),
    }
    arrays = {"inputs": inputs, "targets": targets, **numbers}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def images_of(network, params, images, *, train=False, rate=0.0, key=None):
    return network.apply(
        {"params": params},
        images,
        train=train,
        dropout_rate=rate,
        batch_norm="running",
        rngs=None if key is None else {"dropout": key},
    )


@functools.lru_cache(maxsize=1)
def _case(name: str, fill: str, golden: GoldenSet) -> Case:
    network, batch = UNet(CONFIGS[name]), batch_of(golden)
    shapes, _ = jax.eval_shape(workload(name, "full").init, KEY)
    params = golden.fill_tree(shapes, fill)
    with jax.default_matmul_precision("highest"):
        images = jax.jit(functools.partial(images_of, network))(params, batch["inputs"])
    return Case(network, params, batch, images, golden.load(name)[fill])


# fill_B tells all parameters apart.
BY_DEFAULT = [(name, "fill_B") for name in CONFIGS]
SLOWER = [
    pytest.param((name, "fill_A"), marks=pytest.mark.slow, id=f"{name}-fill_A") for name in CONFIGS
]


@pytest.fixture
def case(request: pytest.FixtureRequest, golden: GoldenSet) -> Case:
    """The variant and the fill that are the indirect parameter."""
    return _case(*request.param, golden)


@pytest.mark.parametrize("case", [*BY_DEFAULT, *SLOWER], indirect=True, ids=str)
def test_images_loss_and_metrics_match_the_reference(case):
    expected = case.expected["eval"]
    assert_array_record(case.images, expected["logits"], 1e-5)
    everything = {name: x for name, x in case.batch.items() if name != "weights"}
    assert_loss(loss(case.images, everything), expected["loss"]["plain"])
    assert_loss(loss(case.images, case.batch), expected["loss"]["weights"])
    metrics = expected["eval_metrics"]
    found = evaluate(case.images, case.batch)
    # The reference's own two ways to one similarity differ by 3e-7.
    np.testing.assert_allclose(found.ssim.above, metrics["ssim_per_example"][0], atol=2e-6)
    np.testing.assert_allclose(found.loss.above, metrics["loss"], rtol=1e-5)
    assert found.compute()["ssim"] == found.ssim.above
    both = evaluate(case.images, {**case.batch, "weights": np.ones(2, np.float32)})
    np.testing.assert_allclose(both.ssim.above, sum(metrics["ssim_per_example"]), atol=4e-6)
    assert both.ssim.below == 2


@pytest.mark.parametrize(
    "case",
    [
        ("fastmri", "fill_B"),
        pytest.param(("fastmri", "fill_A"), marks=pytest.mark.slow),
        *(
            pytest.param((name, "fill_A"), marks=pytest.mark.slow)
            for name in CONFIGS
            if name != "fastmri"
        ),
    ],
    indirect=True,
    ids=str,
)
def test_gradients_match_the_reference(case):
    @jax.jit
    def mean_loss(params):
        outputs = images_of(case.network, params, case.batch["inputs"], train=True)
        return loss(outputs, {"targets": case.batch["targets"]}).summed / 2

    value, grads = jax.jit(jax.value_and_grad(mean_loss))(case.params)
    expected = case.expected["train_dropout_0"]
    np.testing.assert_allclose(value, expected["mean_loss"], rtol=1e-5)
    assert_gradient_norms(grads, expected["grad"])


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_have_the_reference_names_shapes_and_kinds(name, golden: GoldenSet):
    full = workload(name, "full")
    shapes, state = jax.eval_shape(full.init, KEY)
    kinds = infer_kinds(shapes)
    assert_param_table(shapes, kinds, golden.load(name))
    infos = jax.tree.leaves(describe(shapes, kinds, full.output_layers))
    assert [i.path for i in infos if i.is_output] == [("Conv_0", "bias"), ("Conv_0", "kernel")]
    assert state == {}


@pytest.mark.parametrize("name", ["fastmri", "fastmri_layernorm", "fastmri_model_size"])
def test_initial_values_are_distributed_like_the_reference(name, golden: GoldenSet):
    images = np.zeros((1, 16, 16), np.float32)  # of which they do not depend
    network = UNet(CONFIGS[name])

    def init(key):
        return network.init(key, images, train=False, dropout_rate=0.0, batch_norm="running")

    assert_initial_values(jax.jit(init)(KEY)["params"], golden.load(name))


def test_doubling_is_flax_s_transposed_convolution():
    x = np.random.default_rng(0).normal(size=(2, 5, 3, 6)).astype(np.float32)
    variables = Doubling(4).init(KEY, x)
    theirs = nn.ConvTranspose(4, (2, 2), strides=(2, 2), use_bias=False)
    expected = theirs.apply(variables, x)
    np.testing.assert_allclose(Doubling(4).apply(variables, x), expected, rtol=1e-4, atol=1e-5)


def test_instance_norm_and_halving_are_those_of_numpy():
    x = np.random.default_rng(0).normal(3, 2, size=(2, 6, 4, 3))
    variance = x.var(axis=(1, 2), keepdims=True)
    expected = (x - x.mean(axis=(1, 2), keepdims=True)) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(instance_norm(x.astype(np.float32)), expected, atol=1e-5)
    constant = instance_norm(jnp.full((1, 8, 8, 1), 1e3, jnp.float32))
    assert np.abs(constant).max() < 1e-3  # the variance is not below 0
    expected = [[x[:, i : i + 2, j : j + 2].mean((1, 2)) for j in (0, 2)] for i in (0, 2, 4)]
    np.testing.assert_allclose(halved(x.astype(np.float32)), np.moveaxis(expected, 2, 0), rtol=1e-5)


@pytest.fixture(scope="module")
def small():
    """A small network, its parameters and images."""
    images = np.random.default_rng(1).normal(size=(3, 8, 8)).astype(np.float32)
    network = UNet(SMALL)
    params = network.init(KEY, images, train=False, dropout_rate=0.0, batch_norm="running")
    return network, params["params"], images


def test_dropout_has_a_place_behind_every_activation_of_the_blocks(small):
    network, params, images = small

    def forward(rate, key):
        return images_of(network, params, images, train=True, rate=rate, key=key)

    jaxpr = jax.make_jaxpr(forward)(jnp.float32(0.1), KEY).jaxpr
    blocks = 2 * SMALL.levels + 1
    assert primitives(jaxpr)["random_bits"] == 2 * blocks
    plain = images_of(network, params, images)
    np.testing.assert_allclose(jax.jit(forward)(jnp.float32(0.0), KEY), plain, atol=1e-5)
    assert not np.allclose(forward(jnp.float32(0.5), KEY), plain)
    np.testing.assert_array_equal(images_of(network, params, images, train=True), plain)
    assert "random_bits" not in primitives(
        jax.make_jaxpr(lambda: images_of(network, params, images, train=True))().jaxpr
    )


def test_dropout_drops_whole_channels(small):
    network, params, images = small
    _, kept = network.apply(
        {"params": params},
        images,
        train=True,
        dropout_rate=0.5,
        batch_norm="running",
        rngs={"dropout": KEY},
        capture_intermediates=True,
    )
    (block,) = kept["intermediates"]["ConvBlock_0"]["__call__"]
    is_zero = np.asarray(block == 0)
    dropped = is_zero.all(axis=(1, 2))
    assert 0 < dropped.sum() < dropped.size
    assert not is_zero[:, :, :, :][~np.broadcast_to(dropped[:, None, None], is_zero.shape)].any()


def test_other_sizes_are_refused(small):
    network, params, _ = small
    with pytest.raises(ValueError, match=r"sides that 4 divides, got \(8, 10\)"):
        images_of(network, params, np.zeros((1, 8, 10), np.float32))


def test_loss_is_the_mean_absolute_error_of_places_that_are_filled():
    outputs = np.arange(8.0, dtype=np.float32).reshape(2, 2, 2)
    batch = {"targets": np.ones((2, 2, 2), np.float32), "weights": np.array([1, 0], np.float32)}
    terms = loss(outputs, batch, label_smoothing=0.3)  # which has no bearing
    assert (terms.summed, terms.n_valid, terms.per_example.tolist()) == (1.0, 1.0, [1.0, 0.0])
    with pytest.raises(ValueError, match="one common shape"):
        loss(outputs[..., None], batch)
