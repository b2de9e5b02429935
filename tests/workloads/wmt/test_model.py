"""The model against the reference's numbers, and the places of its dropout."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_vectors import (
    GoldenSet,
    assert_array_record,
    assert_gradient_norms,
    assert_initial_values,
    assert_param_table,
    by_name,
)
from traced import primitives

from algoperf_jax.parameters import describe, infer_kinds
from workloads.wmt import CONFIGS, workload
from workloads.wmt.config import Config
from workloads.wmt.layers import positions_table
from workloads.wmt.loss import loss
from workloads.wmt.model import Transformer

KEY = jax.random.key(0, impl="rbg")  # compiles much faster than the default generator

SMALL = Config(vocabulary_size=40, features=16, num_heads=2, mlp_dim=24, num_layers=2, length=12)
BATCH = {
    "inputs": np.array([[5, 7, 9, 2, 0, 0], [4, 2, 0, 0, 0, 0]], np.int32),
    "targets": np.array([[6, 8, 2, 0, 0], [3, 9, 11, 13, 2]], np.int32),
}
PACKED = {
    "inputs": np.array([[5, 7, 9, 2, 4, 2]], np.int32),
    "inputs_position": np.array([[0, 1, 2, 3, 0, 1]], np.int32),
    "inputs_segmentation": np.array([[1, 1, 1, 1, 2, 2]], np.int32),
    "targets": np.array([[6, 8, 2, 3, 9, 11, 13, 2]], np.int32),
    "targets_position": np.array([[0, 1, 2, 0, 1, 2, 3, 4]], np.int32),
    "targets_segmentation": np.array([[1, 1, 1, 2, 2, 2, 2, 2]], np.int32),
}


@functools.cache
def _params():
    def init(key):
        return Transformer(SMALL).init(key, BATCH, train=False, dropout_rate=0.0)["params"]

    return jax.jit(init)(KEY)


@functools.partial(jax.jit, static_argnames="train")
def _apply(params, batch, rate, key, *, train):
    outputs = Transformer(SMALL).apply(
        {"params": params}, batch, train=train, dropout_rate=rate, rngs={"dropout": key}
    )
    return outputs.logits()


def _logits(batch, *, train=False, rate=0.0, key=KEY):
    return np.asarray(_apply(_params(), batch, rate, key, train=train))


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_have_the_reference_names_shapes_and_kinds(name, golden: GoldenSet):
    full = workload(name, "full")
    shapes, _ = jax.eval_shape(full.init, KEY)
    kinds = infer_kinds(shapes)
    assert_param_table(shapes, kinds, golden.load(name))
    output = [
        i.path for i in jax.tree.leaves(describe(shapes, kinds, full.output_layers)) if i.is_output
    ]
    assert output == [("shared_embedding", "embedding")]


@pytest.mark.parametrize("name", ["wmt", "wmt_glu_tanh"])
def test_initial_values_of_a_layer_are_distributed_like_the_reference(name, golden: GoldenSet):
    # Values of a smaller table have the same distribution.
    network = Transformer(CONFIGS[name]._replace(num_layers=1, vocabulary_size=2_000))

    def init(key):
        return network.init(key, BATCH, train=False, dropout_rate=0.0)["params"]

    assert_initial_values(jax.jit(init)(KEY), golden.load(name))


# One element of fill_A is ten times the root mean square: all terms of its sum have one sign.
TOLERANCE = {"fill_A": 2e-5, "fill_B": 1e-5}


@pytest.mark.parametrize(
    ("case", "fill", "batch"),
    [
        pytest.param(
            (name, fill),
            fill,
            batch,
            id=f"{name}-{fill}-{batch}",
            # fill_B tells all parameters apart, and variants share what packed rows add.
            marks=[pytest.mark.slow]
            if name != "wmt" and (fill, batch) != ("fill_B", "eval")
            else [],
        )
        for name in CONFIGS
        for fill in ("fill_A", "fill_B")
        for batch in ("eval", "packed_eval")
    ],
    indirect=["case"],
)
def test_logits_match_the_reference(case, fill, batch):
    record = case.expected[batch]["logits"]
    assert_array_record(case.outputs(batch).logits(), record, TOLERANCE[fill])


@pytest.mark.parametrize(
    ("name", "fill"),
    [
        ("wmt", "fill_B"),
        pytest.param("wmt", "fill_A", marks=pytest.mark.slow),
        *(
            pytest.param(name, "fill_A", marks=pytest.mark.slow)
            for name in CONFIGS
            if name != "wmt"
        ),
    ],
)
def test_gradients_match_the_reference(name, fill, golden: GoldenSet):
    full = workload(name, "full")
    batch = golden.arrays("inputs_wmt")
    shapes, _ = jax.eval_shape(full.init, KEY)
    expected = golden.load(name)[fill]["train_dropout_0"]

    @jax.jit
    def mean_loss(params):
        outputs, _ = full.apply(
            params, {}, batch, rng=KEY, train=True, dropout_rate=0.0, batch_norm="update"
        )
        terms = loss(outputs, batch)
        return terms.summed / terms.n_valid

    value, grads = jax.jit(jax.value_and_grad(mean_loss))(golden.fill_tree(shapes, fill))
    np.testing.assert_allclose(value, expected["mean_loss"], rtol=1e-5)
    assert_gradient_norms(grads, expected["grad"])


def test_positions_have_the_specified_entries():
    # By the formula of the benchmark's specification, in Python floats.
    table = positions_table(256, 1024)
    for position, j in ((1, 0), (17, 3), (255, 511)):
        angle = position * np.exp(-j * np.log(10_000) / 511)
        np.testing.assert_allclose(table[position, j], np.sin(angle), atol=1e-7)
        np.testing.assert_allclose(table[position, 512 + j], np.cos(angle), atol=1e-7)


def test_packed_sentences_do_not_see_each_other():
    alone, packed = _logits(BATCH), _logits(PACKED)
    np.testing.assert_allclose(packed[0, :3], alone[0, :3], rtol=1e-4, atol=1e-5)
    # The second one begins behind the end of the first, and alone behind the start.
    assert not np.allclose(packed[0, 3], alone[1, 0], atol=1e-3)
    as_packed = {name: x.copy() for name, x in PACKED.items()}
    as_packed["inputs"][0, :3] = 20, 21, 22
    as_packed["targets"][0, :2] = 23, 24
    changed = _logits(as_packed)
    np.testing.assert_allclose(changed[0, 4:], packed[0, 4:], rtol=1e-4, atol=1e-5)


def test_a_token_is_predicted_from_those_before_it():
    batch = {**BATCH, "targets": BATCH["targets"].copy()}
    batch["targets"][1, 3] = 30
    before, after = _logits(BATCH)[1], _logits(batch)[1]
    np.testing.assert_array_equal(before[:4], after[:4])
    assert not np.allclose(before[4], after[4], atol=1e-3)


@pytest.mark.parametrize(
    ("config", "places"), [(CONFIGS["wmt"], 44), (Config(attention_dropout_rate=0.1), 44 + 18)]
)
def test_traced_rate_draws_one_mask_per_place(config, places):
    network = Transformer(config)

    def training_pass(params, rate, key):
        return network.apply(
            {"params": params}, BATCH, train=True, dropout_rate=rate, rngs={"dropout": key}
        )

    shapes, _ = jax.eval_shape(workload("wmt", "full").init, KEY)
    jaxpr = jax.make_jaxpr(training_pass)(shapes, 0.1, KEY).jaxpr
    # 2 behind the embeddings, 3 in each of 6 encoder layers, 4 in each of 6 decoder layers; the
    # attention weights of 18 attentions besides.
    assert primitives(jaxpr)["random_bits"] == places


def test_dropout_is_for_training_and_follows_the_key():
    evaluation = _logits(BATCH, rate=0.5)
    np.testing.assert_array_equal(evaluation, _logits(BATCH))
    dropped = _logits(BATCH, train=True, rate=0.2)
    assert not np.allclose(dropped, evaluation, atol=1e-3)
    other = _logits(BATCH, train=True, rate=0.2, key=jax.random.fold_in(KEY, 1))
    assert not np.allclose(dropped, other, atol=1e-3)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Config(num_heads=7), "width 1024 and 7 heads"),
        (Config(norm="middle"), "Unknown norm 'middle'; known are pre, post"),
        (Config(activation="sine"), "unknown activation 'sine'"),
        (Config(features=2, num_heads=1), "even and at least 4.*got 2"),
    ],
)
def test_impossible_models_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda: Transformer(config).init(KEY, BATCH, train=False, dropout_rate=0.0))


def test_every_parameter_has_a_gradient_on_packed_rows():
    def summed(params):
        outputs = Transformer(SMALL).apply(
            {"params": params}, PACKED, train=False, dropout_rate=0.0
        )
        return loss(outputs, {"targets": jnp.asarray(PACKED["targets"])}).summed

    gradients = jax.jit(jax.grad(summed))(_params())
    for name, gradient in by_name(gradients).items():
        assert np.abs(gradient).max() > 0, name
