"""The transformer's dropout, attention and structure; its numbers are in test_networks."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from traced import primitives

from workloads.imagenet.vit import Attention, ViT, position_embedding

SMALL = ViT(width=16, depth=1, mlp_dim=32, num_heads=2, patch_size=8, num_classes=10)
VARIANTS = {
    "base": SMALL,
    "gated_mlp": SMALL.clone(gated_mlp=True),
    "post_norm": SMALL.clone(norm="post"),
    "attention_pooling": SMALL.clone(pooling="attention"),
}
IMAGES = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
KEY = jax.random.key(1, impl="rbg")  # compiles much faster than the default generator


def _init(network, key):
    return network.init(key, IMAGES[:1], train=False, dropout_rate=0.0)["params"]


@functools.cache
def _params():
    params = jax.jit(functools.partial(_init, SMALL))(KEY)
    # The head starts at zero, which would make all logits equal.
    params["head"]["kernel"] = jax.random.normal(KEY, params["head"]["kernel"].shape)
    return params


@functools.partial(jax.jit, static_argnames="train")
def _apply(params, images, *, train=False, rate=0.0, key=KEY):
    return SMALL.apply(
        {"params": params}, images, train=train, dropout_rate=rate, rngs={"dropout": key}
    )


def _shapes(network):
    return jax.eval_shape(functools.partial(_init, network), KEY)


@pytest.mark.parametrize("network", VARIANTS.values(), ids=VARIANTS)
def test_traced_rate_draws_one_mask_per_place(network):
    def training_pass(params, rate, key):
        return network.apply(
            {"params": params}, IMAGES, train=True, dropout_rate=rate, rngs={"dropout": key}
        )

    jaxpr = jax.make_jaxpr(training_pass)(_shapes(network), 0.1, KEY).jaxpr
    # Behind the position embedding; behind attention, GELU and MLP of each block.
    assert primitives(jaxpr)["random_bits"] == 1 + 3 * network.depth


@pytest.mark.parametrize("network", VARIANTS.values(), ids=VARIANTS)
def test_static_rate_zero_costs_nothing(network):
    def forward(params, *, train, rate):
        return network.apply({"params": params}, IMAGES, train=train, dropout_rate=rate)

    training, evaluation = (
        jax.make_jaxpr(functools.partial(forward, train=train, rate=rate))(_shapes(network))
        for train, rate in ((True, 0.0), (False, 0.5))
    )
    assert primitives(training.jaxpr) == primitives(evaluation.jaxpr)


def test_traced_rate_zero_equals_evaluation_to_rounding():
    evaluation = _apply(_params(), IMAGES)
    with_zero_rate = _apply(_params(), IMAGES, train=True, rate=0.0)
    np.testing.assert_allclose(with_zero_rate, evaluation, rtol=1e-5, atol=1e-5)
    with_some_rate = _apply(_params(), IMAGES, train=True, rate=0.1)
    assert not np.allclose(with_some_rate, evaluation, rtol=1e-2)


def test_evaluation_ignores_the_dropout_rate():
    np.testing.assert_array_equal(_apply(_params(), IMAGES, rate=0.5), _apply(_params(), IMAGES))


def test_dropout_depends_on_the_key():
    a, b = (
        _apply(_params(), IMAGES, train=True, rate=0.2, key=jax.random.fold_in(KEY, seed))
        for seed in (0, 1)
    )
    assert not np.array_equal(a, b)


@pytest.mark.parametrize("queries", ["tokens", "probe"])
def test_attention_agrees_with_the_one_of_flax(queries):
    tokens = jax.random.normal(KEY, (2, 7, 12))
    x = tokens if queries == "tokens" else tokens[:, :1] - 1
    reference = nn.MultiHeadDotProductAttention(3, bias_init=nn.initializers.normal(1.0))
    variables = jax.jit(reference.init)(KEY, x, tokens)
    expected = jax.jit(reference.apply)(variables, x, tokens)
    found = jax.jit(Attention(3).apply)(variables, x, tokens)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_position_embedding_has_the_specified_entries():
    # From the benchmark's specification: token 17 of a 14 x 14 grid is row 1, column 3.
    table = position_embedding(14, 14, 384)
    assert table.shape == (196, 384)
    expected = [0.14112, 0.4066562, 0.0003, -0.9899925, 0.841471, 0.4443279, 0.5403023]
    found = table[17, [0, 1, 95, 96, 192, 200, 288]]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_position_embedding_tells_all_patches_of_an_oblong_grid_apart():
    table = position_embedding(3, 5, 16)
    assert len(np.unique(table.round(4), axis=0)) == 15
    np.testing.assert_array_equal(table[7, 8:], table[5, 8:])  # both in row 1
    np.testing.assert_array_equal(table[7, :8], table[12, :8])  # both in column 2


@pytest.mark.parametrize("shape", [(32, 32), (16, 40)])
def test_parameters_do_not_depend_on_the_size_of_the_images(shape):
    assert _apply(_params(), np.zeros((2, *shape, 3), np.float32)).shape == (2, 10)


def test_an_image_does_not_see_the_others():
    changed = IMAGES.copy()
    changed[1:] += 1
    before, after = _apply(_params(), IMAGES), _apply(_params(), changed)
    np.testing.assert_allclose(after[0], before[0], rtol=1e-5, atol=1e-6)
    assert not np.allclose(after[1], before[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 18}, r"multiple of 4 and at least 8.*got 18"),
        ({"width": 4}, r"multiple of 4 and at least 8.*got 4"),
        ({"num_heads": 3}, r"width 16 and 3 heads"),
        ({"norm": "middle"}, r"norm 'middle'.*pre, post"),
        ({"pooling": "max"}, r"pooling 'max'.*mean, attention"),
    ],
)
def test_impossible_networks_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        _shapes(SMALL.clone(**changes))


def test_images_that_do_not_divide_into_patches_are_refused():
    with pytest.raises(ValueError, match="36 x 32 pixels.*8 x 8"):
        _apply(_params(), jnp.zeros((1, 36, 32, 3)))
