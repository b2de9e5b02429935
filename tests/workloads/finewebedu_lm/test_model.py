"""The decoder against the reference's numbers, in float32 and in bfloat16, small and full."""

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
    assert_loss,
    assert_param_table,
    by_name,
)

from algoperf_jax.parameters import infer_kinds
from workloads.finewebedu_lm.loss import loss, published_losses
from workloads.finewebedu_lm.model import Config, Decoder

NAMES = ["finewebedu_lm_small", pytest.param("finewebedu_lm", marks=pytest.mark.slow)]
KEY = jax.random.key(0, impl="rbg")


def config_of(golden, compute="bfloat16"):
    c = golden["config"]
    sizes = c["vocab_size"], c["model_dim"], c["num_heads"], c["expanded_model_dim"]
    return Config(*sizes, c["num_layers"], c["seq_len"], compute)


class Case:
    """A filled model on the reference's inputs."""

    def __init__(self, golden_set, name, compute, fill, initial_scale=False):
        self.golden = golden_set.load(name)
        self.batch = golden_set.arrays(f"inputs_{name}")
        self.config = config_of(self.golden, compute)
        self.network = Decoder(self.config)
        shapes = jax.eval_shape(self._init, KEY)

        def of(path, filled, shape):
            is_scale = "attn_scale" in str(path) and initial_scale
            return jnp.asarray(
                self.config.initial_attention_scale if is_scale else filled, shape.dtype
            )

        filled = golden_set.fill_tree(shapes, fill)
        self.params = jax.tree_util.tree_map_with_path(of, filled, shapes)

    def _init(self, key):
        return self.network.init(key, self.batch["inputs"], train=False)["params"]

    def _apply(self, params):
        return self.network.apply({"params": params}, self.batch["inputs"], train=True)

    @functools.cached_property
    def outputs(self):
        return jax.jit(self._apply)(self.params)

    def mean_loss_and_gradient(self):
        def mean_loss(params):
            terms = loss(self._apply(params), {"targets": self.batch["targets"]})
            return terms.summed / terms.n_valid

        return jax.jit(jax.value_and_grad(mean_loss))(self.params)


@pytest.mark.parametrize("name", ["finewebedu_lm_small", "finewebedu_lm"])
def test_parameters_have_the_reference_names_shapes_kinds_and_types(golden: GoldenSet, name):
    expected = golden.load(name)
    network = Decoder(config_of(expected))
    tokens = jnp.zeros((1, 4), jnp.int32)
    shapes = jax.eval_shape(lambda key: network.init(key, tokens, train=False)["params"], KEY)
    assert_param_table(shapes, infer_kinds(shapes), expected)
    others = {n: x.dtype.name for n, x in by_name(shapes).items() if x.dtype != jnp.float32}
    assert others == expected["dtypes_other_than_float32"]


def test_initial_values_are_distributed_like_the_reference(golden: GoldenSet):
    case = Case(golden, "finewebedu_lm_small", "bfloat16", "fill_B")
    assert_initial_values(jax.jit(case._init)(KEY), case.golden)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fill", ["fill_A", "fill_B"])
def test_float32_matches_the_reference(golden: GoldenSet, name, fill):
    case = Case(golden, name, "float32", fill)
    expected = case.golden[fill]
    assert_array_record(case.outputs.logits(), expected["eval"]["logits"], 1e-5)
    batch = {"targets": case.batch["targets"]}
    weighted = {**batch, "weights": case.batch["weights"]}
    for record, on, smoothing in (
        ("plain", batch, 0.0),
        ("weights", weighted, 0.0),
        ("label_smoothing_0.1", batch, 0.1),
        ("weights_label_smoothing_0.1", weighted, 0.1),
    ):
        flat = {**expected["eval"]["loss"][record]}
        flat["per_example"] = np.ravel(flat["per_example"])
        assert_loss(loss(case.outputs, on, label_smoothing=smoothing), flat)
    value, grads = case.mean_loss_and_gradient()
    record = expected["train_dropout_0"]
    np.testing.assert_allclose(value, record["mean_loss"], rtol=1e-5)
    assert_gradient_norms(grads, record["grad"], atol_of_global=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_attention_with_its_initial_scale_matches_the_reference(golden: GoldenSet, name):
    """What catches mistakes in rotation, normalisation and mask: a scale of 0.5 is nearly flat."""
    case = Case(golden, name, "float32", "fill_B", initial_scale=True)
    record = case.golden["fill_B"]["attn_scale_initial"]
    assert_array_record(case.outputs.logits(), record["logits"], 2e-5)
    value, grads = case.mean_loss_and_gradient()
    np.testing.assert_allclose(value, record["mean_loss"], rtol=1e-5)
    assert_gradient_norms(grads, record["grad"], atol_of_global=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fill", ["fill_A", "fill_B"])
def test_bfloat16_matches_the_reference(golden: GoldenSet, name, fill):
    """Tolerances are those that two legitimate roundings of one program need."""
    case = Case(golden, name, "bfloat16", fill)
    assert case.outputs.hidden.dtype == jnp.bfloat16
    expected = case.golden[fill]["bfloat16"]
    record = expected["eval"]["logits"]
    logits = np.asarray(case.outputs.logits(), np.float64)
    rms = np.sqrt(record["mean_sq"])
    strided = logits.ravel()[np.arange(16) * (logits.size - 1) // 15]
    np.testing.assert_allclose(strided, record["strided16"], atol=0.1 * rms)
    np.testing.assert_allclose(np.mean(logits**2), record["mean_sq"], rtol=0.01)
    value, grads = case.mean_loss_and_gradient()
    np.testing.assert_allclose(value, case.golden[fill]["train_dropout_0"]["mean_loss"], rtol=4e-3)
    norm = np.sqrt(sum((np.asarray(g, np.float64) ** 2).sum() for g in jax.tree.leaves(grads)))
    record = expected["train_dropout_0"]["grad"]
    np.testing.assert_allclose(norm, record["global_l2"], rtol=0.02)
    # The published losses are rounded to bfloat16 one by one.
    single = published_losses(case.outputs, case.batch["targets"])
    assert single.dtype == jnp.bfloat16
    clean = loss(case.outputs, {"targets": case.batch["targets"]}).per_example
    np.testing.assert_allclose(np.asarray(single, np.float32), clean, rtol=0.02)


def test_no_token_sees_a_later_one(golden: GoldenSet):
    case = Case(golden, "finewebedu_lm_small", "float32", "fill_B", initial_scale=True)
    tokens = case.batch["inputs"].copy()
    tokens[:, 40:] = 7
    changed = jax.jit(lambda: case.network.apply({"params": case.params}, tokens, train=False))()
    np.testing.assert_allclose(changed.hidden[:, :40], case.outputs.hidden[:, :40], atol=2e-5)
    assert np.abs(changed.hidden[:, 40:] - case.outputs.hidden[:, 40:]).min(axis=-1).max() > 1e-3


def test_the_scale_of_the_attention_does_not_move_in_bfloat16():
    scale = jnp.bfloat16(Config().initial_attention_scale)
    assert float(scale) == 20.0
    assert scale - jnp.bfloat16(0.05) == scale
    assert float(scale - jnp.bfloat16(0.1)) == 19.875


def test_rows_that_are_too_long_are_refused():
    network = Decoder(Config(8, 8, 2, 8, 1, 4, "float32"))
    with pytest.raises(ValueError, match="rows of 5 tokens, the model is made for 4"):
        network.init(KEY, jnp.zeros((1, 5), jnp.int32), train=False)
