"""The model, its loss and its metric against the reference's numbers; initial values; dropout."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click_networks import NAMES, ROWS, batch_of, filled, initial, logits, network_of
from golden_vectors import (
    GoldenSet,
    assert_array_record,
    assert_gradient_norms,
    assert_initial_values,
    assert_loss,
    assert_param_table,
)

from algoperf_jax.parameters import describe, infer_kinds
from workloads.criteo1tb import CONFIGS, workload
from workloads.criteo1tb.loss import loss
from workloads.criteo1tb.metrics import evaluate
from workloads.criteo1tb.model import DLRM, Config, products_of_pairs

KEY = jax.random.key(0)
FULL_TABLE = 4_194_304


@dataclasses.dataclass(frozen=True)
class Case:
    """A variant's network with filled parameters and a batch, and what the reference has."""

    network: DLRM
    params: Any
    batch: dict[str, np.ndarray]
    expected: dict[str, Any]


# The second takes about 10 GB of memory.
SMALL_CASES = [(name, fill, ROWS) for name in NAMES for fill in ("fill_A", "fill_B")]
FULL_CASE = pytest.param(("criteo1tb", "fill_A", FULL_TABLE), marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def case(request: pytest.FixtureRequest, golden: GoldenSet) -> Case:
    """The variant, the fill and the number of rows that are the indirect parameter."""
    name, fill, rows = request.param
    network = network_of(name, rows)
    record = golden.load(name if rows == FULL_TABLE else f"{name}_vocab{rows}")
    params = jax.device_put(filled(network, fill, golden))
    return Case(network, params, batch_of(golden), record[fill])


@pytest.mark.parametrize("case", [*SMALL_CASES, FULL_CASE], indirect=True)
def test_logits_loss_and_metric_match_the_reference(case):
    found = logits(case.network, case.params, case.batch)
    expected = case.expected["eval"]
    assert_array_record(found[:, None], expected["logits"], 1e-5)
    terms = loss(found, case.batch)
    assert_loss(terms, expected["loss"]["weights"])
    everything = {name: x for name, x in case.batch.items() if name != "weights"}
    assert_loss(loss(found, everything), expected["loss"]["plain"])
    metrics = evaluate(found, case.batch)
    np.testing.assert_allclose(
        metrics.loss.above, expected["eval_metrics"]["summed_loss"], rtol=1e-5
    )
    assert metrics.compute()["loss"] == terms.summed / terms.n_valid


# Of variants there are no gradients at fill_B.
@pytest.mark.parametrize(
    "case",
    [c for c in SMALL_CASES if c[0] == "criteo1tb" or c[1] == "fill_A"] + [FULL_CASE],
    indirect=True,
)
def test_gradients_match_the_reference(case):
    batch = {name: x for name, x in case.batch.items() if name != "weights"}

    @jax.jit
    def mean_loss(params):
        terms = loss(logits(case.network, params, batch, train=True), batch)
        return terms.summed / terms.n_valid

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
    assert [i.path for i in infos if i.is_output] == [("Dense_7", "bias"), ("Dense_7", "kernel")]
    assert state == {}


@pytest.mark.parametrize("name", NAMES)
def test_initial_values_are_distributed_like_the_reference(name, golden: GoldenSet):
    params = initial(network_of(name), batch_of(golden), KEY)
    one_number = params["Dense_7"].pop("bias")
    assert abs(one_number[0]) < 5
    assert_initial_values(params, golden.load(f"{name}_vocab{ROWS}"))


def test_output_bias_is_a_standard_normal(golden: GoldenSet):
    network = DLRM(Config(rows=16, features=4, bottom=(4,), top=(4,)))
    batch = batch_of(golden)
    biases = jax.vmap(lambda key: initial(network, batch, key)["Dense_2"]["bias"][0])(
        jax.random.split(KEY, 2_000)
    )
    assert abs(biases.mean()) < 0.1
    assert abs(biases.std() - 1) < 0.1


def test_variant_s_embeddings_start_between_zero_and_one(golden: GoldenSet):
    network = network_of("criteo1tb_embed_init", 32_768)  # two blocks are drawn
    table = np.asarray(initial(network, batch_of(golden), KEY)["embedding_table"])
    assert 0 <= table.min() < 1e-4 and 1 - 1e-4 < table.max() < 1
    assert abs(table.mean() - 0.5) < 1e-3
    assert len(np.unique(table[:, 0])) > 32_000  # blocks differ


def test_initial_table_takes_no_second_one():
    full = workload("criteo1tb", "full")
    memory = jax.jit(full.init).lower(jax.random.PRNGKey(0)).compile().memory_analysis()
    table = 4 * FULL_TABLE * 128
    assert memory.output_size_in_bytes < 1.01 * table
    assert memory.temp_size_in_bytes < 0.1 * table


def test_products_are_those_of_all_pairs():
    vectors = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    pairs = [(i, j) for i in range(4) for j in range(i, 4)]
    expected = [[float(v[i] @ v[j]) for i, j in pairs] for v in vectors]
    np.testing.assert_allclose(products_of_pairs(vectors), expected, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_last_hidden_layer_alone_drops(name, golden: GoldenSet):
    config = CONFIGS[name]._replace(rows=64, features=8, bottom=(8, 8, 8), top=(16, 16, 16, 16))
    network, batch = DLRM(config), batch_of(golden)
    params = initial(network, batch, KEY)

    def hidden(rate, key):
        """The outputs of all dense layers."""
        _, kept = network.apply(
            {"params": params},
            batch,
            train=True,
            dropout_rate=rate,
            batch_norm="running",
            rngs={"dropout": key},
            capture_intermediates=True,
        )
        layers = kept["intermediates"]
        return {name: layers[name]["__call__"][0] for name in layers if name.startswith("Dense")}

    kept = hidden(0.0, KEY)
    half = jax.jit(hidden)(jnp.float32(0.5), jax.random.key(1))
    for i in range(7):
        np.testing.assert_allclose(half[f"Dense_{i}"], kept[f"Dense_{i}"], rtol=1e-4, atol=1e-5)
    assert not np.allclose(half["Dense_7"], kept["Dense_7"])
    np.testing.assert_allclose(
        jax.jit(hidden)(jnp.float32(0.0), jax.random.key(1))["Dense_7"], kept["Dense_7"], rtol=1e-4
    )
    grads = jax.grad(
        lambda params: network.apply(
            {"params": params},
            batch,
            train=True,
            dropout_rate=jnp.float32(1.0),
            batch_norm="running",
            rngs={"dropout": KEY},
        ).sum()
    )(params)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))
