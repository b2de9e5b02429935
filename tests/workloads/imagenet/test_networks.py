"""Both networks and their variants against the reference's numbers."""

import functools

import jax
import numpy as np
import pytest
from golden_vectors import (
    GoldenSet,
    assert_array_record,
    assert_gradient_norms,
    assert_initial_values,
    assert_param_table,
    assert_state_sums,
    by_name,
)

from algoperf_jax.nn.flax_functions import model_functions
from algoperf_jax.parameters import infer_kinds
from workloads.imagenet import NETWORKS
from workloads.imagenet.loss import loss

# This generator compiles much faster than the default one, and the distributions are the same.
KEY = jax.random.key(0, impl="rbg")

# With four images the gradients of early layers hang on a few ReLUs close to their kinks.
TENSOR_TOLERANCE = {"imagenet_resnet": 5e-3}

# One pass of each network; the logits of an evaluation cover the other fill and the variants.
TRAINING_PASSES = [
    ("imagenet_resnet", "fill_B"),
    ("imagenet_vit", "fill_B"),
    *(
        pytest.param(name, "fill_A", marks=pytest.mark.slow)
        for name in (
            *("imagenet_resnet", "imagenet_resnet_silu", "imagenet_resnet_gelu"),
            *("imagenet_vit", "imagenet_vit_glu", "imagenet_vit_post_ln", "imagenet_vit_map"),
        )
    ),
]


def _init(network):
    images = np.ones((1, 1, 32, 32, 3), np.float32)
    return jax.jit(model_functions(network, lambda batch: batch, lambda share: images).init)(KEY)


@pytest.mark.parametrize("variant", NETWORKS, indirect=True)
def test_variables_have_the_reference_names_shapes_and_kinds(variant):
    params, model_state = variant.shapes
    assert_param_table(params, infer_kinds(params), variant.golden)
    state = {name: list(leaf.shape) for name, leaf in by_name(model_state).items()}
    assert state == {name: shape for name, shape, _ in variant.golden["model_state"]}


# One or two blocks stand for all: they hold every kind of layer under names that all blocks have.
@pytest.mark.parametrize("name", ["imagenet_resnet", "imagenet_resnet_large_bn_init"])
def test_initial_values_of_residual_blocks_are_distributed_like_the_reference(
    name, golden: GoldenSet
):
    network = NETWORKS[name].clone(stage_sizes=(2,))
    params, model_state = _init(network)
    assert_initial_values(params, golden.load(name))
    for path, leaf in by_name(model_state).items():
        np.testing.assert_array_equal(leaf, 1 if path.endswith("/var") else 0)


@pytest.mark.parametrize("name", ["imagenet_vit", "imagenet_vit_glu", "imagenet_vit_map"])
def test_initial_values_of_a_transformer_block_are_distributed_like_the_reference(
    name, golden: GoldenSet
):
    network = NETWORKS[name].clone(depth=1)
    params, _ = _init(network)
    assert_initial_values(params, golden.load(name))


def test_logits_match_the_reference(case):
    assert_array_record(case.logits, case.expected["logits"], 1e-5)


@pytest.mark.parametrize(("variant", "fill"), TRAINING_PASSES, indirect=["variant"])
def test_training_pass_matches_the_reference(variant, fill, golden: GoldenSet, golden_batch):
    images, batch = golden.imagenet_images(), {"targets": golden_batch["targets"]}

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def training_pass(params, model_state):
        logits, state = variant.forward(params, model_state, images, train=True)
        terms = loss(logits, batch)
        return terms.summed / terms.n_valid, (logits, state)

    expected = variant.golden[fill]["train_dropout_0"]
    (value, (logits, state)), grads = training_pass(*variant.variables(golden, fill))
    np.testing.assert_allclose(value, expected["mean_loss"], rtol=1e-5)
    if expected["logits"] == "same as eval":
        assert_array_record(logits, variant.golden[fill]["eval"]["logits"], 1e-5)
    else:
        assert_array_record(logits, expected["logits"], 3e-5)
        assert_state_sums(state, expected["new_model_state"])
    tolerance = TENSOR_TOLERANCE.get(variant.name, 1e-4)
    assert_gradient_norms(grads, expected["grad"], rtol_tensor=tolerance)
