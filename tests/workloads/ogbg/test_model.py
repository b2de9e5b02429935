"""The graph network against the reference's numbers, and its structure."""

import functools

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
    assert_param_table,
    by_name,
)

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.parameters import infer_kinds
from workloads.ogbg import NETWORKS, workload
from workloads.ogbg.dataset import example_batch
from workloads.ogbg.loss import loss
from workloads.ogbg.model import Block, Dense, GraphNetwork

EXAMPLE = jax.tree.map(lambda x: x[0], example_batch(BatchShare.whole(1)))
KEY = jax.random.key(1)
SMALL = GraphNetwork(latent_dim=16, hidden_dims=(24,), num_message_passing_steps=2, num_outputs=8)


@functools.partial(jax.jit, static_argnames=("model", "train"))
def _apply(model, params, batch, *, train=False, rate=0.0, key=KEY):
    return model.apply(
        {"params": params}, batch, train=train, dropout_rate=rate, rngs={"dropout": key}
    )


@functools.cache
def _small_params():
    init = jax.jit(lambda key: SMALL.init(key, EXAMPLE, train=False, dropout_rate=0.0))
    return init(KEY)["params"]


def test_parameters_have_the_reference_names_shapes_and_kinds(variant):
    assert_param_table(variant.shapes, infer_kinds(variant.shapes), variant.golden)


@pytest.mark.parametrize(
    "name",
    [
        "ogbg",
        "ogbg_model_size",
        # Activations, in which these differ from the base, have nothing to do with it.
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("ogbg_gelu", "ogbg_silu")),
    ],
)
def test_initial_values_are_distributed_like_the_reference(name, golden: GoldenSet):
    params, _ = jax.jit(workload(name, "full").init)(jax.random.key(0, impl="rbg"))
    assert_initial_values(params, golden.load(name))


def test_logits_match_the_reference(case):
    assert_array_record(case.logits, case.expected["eval"]["logits"], 1e-5)


@pytest.mark.parametrize(
    "case",
    [
        # The logits of an evaluation cover the other fill and the variants.
        pytest.param(("ogbg", "fill_B"), id="ogbg-fill_B"),
        *(
            pytest.param((name, "fill_A"), id=f"{name}-fill_A", marks=pytest.mark.slow)
            for name in NETWORKS
        ),
    ],
    indirect=True,
)
def test_gradients_match_the_reference(case):
    expected = case.expected["train_dropout_0"]

    def mean_loss(params):
        logits = _apply(case.variant.model, params, case.batch, train=True, rate=0.0)
        terms = loss(logits, case.batch)
        return terms.summed / terms.n_valid

    value, grads = jax.jit(jax.value_and_grad(mean_loss))(case.params)
    np.testing.assert_allclose(value, expected["mean_loss"], rtol=1e-5)
    assert_gradient_norms(grads, expected["grad"])


@pytest.mark.slow  # the check of the contract looks at the same on the mini model
def test_traced_dropout_rate_zero_equals_evaluation_to_rounding(golden_batch):
    # Dropout itself is exact; but two compiled programs may add up in different orders.
    params = _small_params()
    evaluation = _apply(SMALL, params, golden_batch)
    with_zero_rate = _apply(SMALL, params, golden_batch, train=True, rate=0.0)
    np.testing.assert_allclose(with_zero_rate, evaluation, rtol=1e-5, atol=1e-6)
    with_some_rate = _apply(SMALL, params, golden_batch, train=True, rate=0.1)
    assert not np.allclose(with_some_rate, evaluation, rtol=1e-2)


def test_evaluation_ignores_the_dropout_rate(golden_batch):
    params = _small_params()
    np.testing.assert_array_equal(
        _apply(SMALL, params, golden_batch, rate=0.5), _apply(SMALL, params, golden_batch)
    )


def test_dropout_depends_on_the_key(golden_batch):
    params = _small_params()
    a, b = (
        _apply(SMALL, params, golden_batch, train=True, rate=0.2, key=jax.random.key(seed))
        for seed in (0, 1)
    )
    assert not np.array_equal(a, b)


def test_small_integer_features_give_the_same_logits(golden_batch):
    params = _small_params()
    integers = golden_batch | {
        name: golden_batch[name].astype(np.uint8) for name in ("nodes", "edges")
    }
    np.testing.assert_array_equal(
        _apply(SMALL, params, integers), _apply(SMALL, params, golden_batch)
    )


def test_order_of_edges_within_a_graph_does_not_matter(golden_batch):
    first_graph = np.random.default_rng(0).permutation(golden_batch["n_edge"][0])
    order = np.arange(len(golden_batch["senders"]))
    order[: len(first_graph)] = first_graph
    shuffled = golden_batch | {k: golden_batch[k][order] for k in ("edges", "senders", "receivers")}
    params = _small_params()
    np.testing.assert_allclose(
        _apply(SMALL, params, shuffled), _apply(SMALL, params, golden_batch), rtol=1e-4, atol=1e-5
    )


def test_a_graph_does_not_see_the_others(golden_batch):
    params = _small_params()
    changed = golden_batch | {"nodes": golden_batch["nodes"].copy()}
    changed["nodes"][golden_batch["n_node"][0] :] += 1
    before, after = (_apply(SMALL, params, batch) for batch in (golden_batch, changed))
    np.testing.assert_allclose(after[0], before[0], rtol=1e-6, atol=1e-6)
    assert not np.allclose(after[1], before[1])


def test_replicas_can_be_mapped(golden_batch):
    params = _small_params()
    graph = {
        name: golden_batch[name]
        for name in ("nodes", "edges", "senders", "receivers", "n_node", "n_edge")
    }
    other = graph | {"nodes": graph["nodes"] + 1}
    stacked = jax.tree.map(lambda *x: np.stack(x), graph, other)
    mapped = jax.vmap(lambda batch: _apply(SMALL, params, batch))(stacked)
    np.testing.assert_allclose(mapped[0], _apply(SMALL, params, graph), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(mapped[1], _apply(SMALL, params, other), rtol=1e-5, atol=1e-5)


def test_kernel_rows_of_the_initial_globals_get_zero_gradient(golden_batch):
    grad = jax.jit(jax.grad(lambda params: _apply(SMALL, params, golden_batch).sum()))
    gradients = by_name(grad(_small_params()))
    for layer in range(3):
        kernel = gradients[f"Dense_{layer}/kernel"]
        assert not kernel[-SMALL.num_outputs :].any()
        assert kernel[: -SMALL.num_outputs].any()


def test_dense_on_blocks_equals_dense_on_their_concatenation():
    x, y = (jax.random.normal(jax.random.key(seed), (n, 4)) for seed, n in ((0, 6), (1, 3)))
    rows = jnp.array([2, 0, 1, 1, 2, 0])
    blocks = [Block(x, 4), Block(y, 4, rows), Block(None, 5)]
    concatenation = jnp.concatenate([x, y[rows], jnp.zeros((6, 5))], axis=1)
    variables = nn.Dense(7, bias_init=nn.initializers.normal()).init(KEY, concatenation)
    np.testing.assert_allclose(
        Dense(7).apply(variables, blocks), nn.Dense(7).apply(variables, concatenation), rtol=1e-5
    )


def test_unknown_activation_is_refused_with_the_known_ones():
    model = GraphNetwork(activation="swish2")
    with pytest.raises(ValueError, match=r"'swish2'.*relu, gelu, silu"):
        jax.eval_shape(lambda: model.init(KEY, EXAMPLE, train=False, dropout_rate=0.0))
