"""The residual network's batch norms and structure; its numbers are in test_networks."""

import functools

import jax
import numpy as np
import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.nn.flax_functions import model_functions
from algoperf_jax.workload import AXES
from workloads.imagenet.resnet import ResNet

SMALL = ResNet(stage_sizes=(2,), width=4, num_classes=10, last_scale_init=1.0)
KEY = jax.random.key(0, impl="rbg")  # compiles much faster than the default generator
IMAGES = np.random.default_rng(0).normal(size=(6, 32, 32, 3)).astype(np.float32)


def _init(network):
    init, *_ = model_functions(network, lambda batch: batch, lambda share: IMAGES[None])
    return jax.jit(init)(KEY)


@functools.cache
def _variables():
    params, model_state = _init(SMALL)
    # Running statistics that no batch has.
    return params, jax.tree.map(lambda x: x + 0.5, model_state)


@functools.partial(jax.jit, static_argnames=("network", "batch_norm"))
def _apply(params, model_state, images, *, batch_norm, network=SMALL):
    _, apply, _ = model_functions(network, lambda batch: batch, lambda share: IMAGES[None])
    options = {"rng": None, "train": False, "dropout_rate": 0.0}
    return apply(params, model_state, images, batch_norm=batch_norm, **options)


def _stem(params, images):
    """The first convolution by its definition, in float64: 7x7, stride 2, three zeros around."""
    kernel = np.asarray(params["Conv_init"]["kernel"], np.float64)
    padded = np.pad(images.astype(np.float64), [(0, 0), (3, 3), (3, 3), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(1, 2))[:, ::2, ::2]
    return np.einsum("nhwcij,ijcd->nhwd", windows, kernel)


def test_update_moves_running_averages_a_tenth_towards_the_batch():
    params, old = _variables()
    _, new = _apply(params, old, IMAGES, batch_norm="update")
    assert jax.tree.structure(new) == jax.tree.structure(old)
    before, after = (state["batch_stats"]["BatchNorm_init"] for state in (old, new))
    activations = _stem(params, IMAGES)
    for name, of_batch in (
        ("mean", activations.mean((0, 1, 2))),
        ("var", activations.var((0, 1, 2))),
    ):
        expected = 0.9 * np.asarray(before[name], np.float64) + 0.1 * of_batch
        np.testing.assert_allclose(after[name], expected, rtol=1e-5)


def test_batch_statistics_without_update_give_the_same_logits_and_the_old_state():
    params, old = _variables()
    updating, new = _apply(params, old, IMAGES, batch_norm="update")
    logits, state = _apply(params, old, IMAGES, batch_norm="batch")
    np.testing.assert_allclose(logits, updating, rtol=1e-5, atol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, state, old)
    assert not np.array_equal(
        new["batch_stats"]["BatchNorm_init"]["mean"], old["batch_stats"]["BatchNorm_init"]["mean"]
    )


def test_running_statistics_make_an_image_independent_of_the_others():
    params, old = _variables()
    logits, state = _apply(params, old, IMAGES, batch_norm="running")
    alone, _ = _apply(params, old, IMAGES[:1], batch_norm="running")
    np.testing.assert_allclose(alone, logits[:1], rtol=1e-4, atol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, state, old)
    with_batch, _ = _apply(params, old, IMAGES, batch_norm="batch")
    assert not np.allclose(with_batch, logits, rtol=1e-2)


def test_gradients_go_through_the_batch_statistics():
    # A batch norm makes the loss blind to the scale of the convolution before it.
    params, state = _variables()

    def loss(scale):
        scaled = params | {"Conv_init": {"kernel": scale * params["Conv_init"]["kernel"]}}
        return (_apply(scaled, state, IMAGES, batch_norm="batch")[0] ** 2).sum()

    value, slope = jax.jit(jax.value_and_grad(loss))(1.0)
    assert abs(slope) < 1e-3 * value


def test_branches_are_silent_at_scale_zero():
    silent = SMALL.clone(last_scale_init=0.0)
    params, state = _init(silent)
    logits, _ = _apply(params, state, IMAGES, batch_norm="running", network=silent)
    block = params["BottleneckResNetBlock_1"]  # its shortcut is the identity
    block["Conv_0"]["kernel"] = 5 * block["Conv_0"]["kernel"]
    changed, _ = _apply(params, state, IMAGES, batch_norm="running", network=silent)
    np.testing.assert_array_equal(changed, logits)


@pytest.mark.parametrize("side", [32, 64])
def test_variables_do_not_depend_on_the_size_of_the_images(side):
    params, state = _variables()
    images = np.zeros((2, side, side, 3), np.float32)
    assert _apply(params, state, images, batch_norm="running")[0].shape == (2, 10)


def test_unknown_activation_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'swish2'.*relu, gelu, silu"):
        _init(SMALL.clone(activation="swish2"))


def test_unknown_batch_norm_mode_is_refused_with_the_known_ones():
    params, state = _variables()
    with pytest.raises(UserError, match=r"'frozen'.*update, batch, running"):
        _apply(params, state, IMAGES, batch_norm="frozen")


def test_global_statistics_are_those_of_one_replica_with_the_whole_batch():
    params, old = _variables()
    synchronised = SMALL.clone(statistics_axes=AXES)
    halves = IMAGES.reshape(2, 3, 32, 32, 3)

    @functools.partial(jax.vmap, axis_name=AXES[0])
    @functools.partial(jax.vmap, axis_name=AXES[1])
    def on_replicas(images):
        return _apply(params, old, images, batch_norm="update", network=synchronised)

    logits, state = on_replicas(halves[:, None])
    expected, new = _apply(params, old, IMAGES, batch_norm="update")
    np.testing.assert_allclose(logits.reshape(6, 10), expected, rtol=1e-4, atol=1e-5)
    for found, whole in zip(jax.tree.leaves(state), jax.tree.leaves(new), strict=True):
        np.testing.assert_allclose(found[0, 0], whole, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(found[0, 0], found[1, 0])
    apart = _apply(params, old, halves[0], batch_norm="update")[0]
    assert not np.allclose(apart, expected[:3], rtol=1e-2)
