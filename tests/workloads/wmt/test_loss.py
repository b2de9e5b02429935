"""The loss against the reference's numbers and against optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from golden_vectors import assert_loss

from algoperf_jax.nn import token_losses
from algoperf_jax.nn.token_losses import of_every_token
from workloads.wmt.loss import loss
from workloads.wmt.model import Outputs, logits

RNG = np.random.default_rng(0)
OUTPUTS = Outputs(
    jnp.asarray(RNG.normal(size=(3, 7, 8)), jnp.float32),
    jnp.asarray(RNG.normal(size=(11, 8)), jnp.float32),
)
BATCH = {
    "targets": jnp.asarray(RNG.integers(0, 11, (3, 7))),
    "weights": jnp.asarray(RNG.random((3, 7)) < 0.7, jnp.float32),
}


def _plain(outputs, smoothing):
    """Cross entropies with all logits and a one-hot of their size, by optax."""
    labels = optax.smooth_labels(jax.nn.one_hot(BATCH["targets"], 11), smoothing)
    return optax.softmax_cross_entropy(outputs.logits(), labels) * BATCH["weights"]


def _gradient(function, argnums=0):
    """The gradient as one program; operation by operation, compiling would take seconds."""
    return jax.jit(jax.grad(function, argnums=argnums))


@pytest.mark.parametrize(
    ("record", "smoothing", "with_weights"),
    [("plain", 0.0, False), ("weights", 0.0, True), ("weights_label_smoothing_0.1", 0.1, True)],
)
def test_losses_match_the_reference(case_for_outputs, record, smoothing, with_weights):
    case = case_for_outputs
    batch = case.batches["eval"]
    batch = batch if with_weights else {"targets": batch["targets"]}
    terms = loss(case.outputs("eval"), batch, label_smoothing=smoothing)
    assert_loss(terms, case.expected["eval"]["loss"][record])


def test_loss_of_packed_rows_matches_the_reference(case_for_outputs):
    case = case_for_outputs
    terms = loss(case.outputs("packed_eval"), case.batches["packed_eval"])
    assert_loss(terms, case.expected["packed_eval"]["loss"])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_and_gradients_agree_with_optax(smoothing):
    terms = jax.jit(lambda o: loss(o, BATCH, label_smoothing=smoothing))(OUTPUTS)
    plain = jax.jit(lambda o: _plain(o, smoothing))(OUTPUTS)
    np.testing.assert_allclose(terms.per_example, plain, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(terms.summed, plain.sum(), rtol=1e-5)
    assert float(terms.n_valid) == float(BATCH["weights"].sum())
    found = _gradient(lambda o: loss(o, BATCH, label_smoothing=smoothing).summed)(OUTPUTS)
    expected = _gradient(lambda o: _plain(o, smoothing).sum())(OUTPUTS)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected
    )


def _summed(outputs, smoothing=0.1, weights=BATCH["weights"]):
    return loss(outputs, {**BATCH, "weights": weights}, label_smoothing=smoothing).summed


def _assert_close(found, expected):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected
    )


@pytest.mark.parametrize("tokens_at_a_time", [4, 1000])
def test_all_derivatives_of_the_sum_agree_with_optax(monkeypatch, tokens_at_a_time):
    monkeypatch.setattr(token_losses, "TOKENS_AT_A_TIME", tokens_at_a_time)
    tangent = jax.tree.map(lambda x: jnp.cos(3 * x), OUTPUTS)
    expected = jax.grad(lambda o: _plain(o, 0.1).sum())
    _assert_close(_gradient(_summed)(OUTPUTS), jax.jit(expected)(OUTPUTS))
    # Products with the Hessian, forward over reverse and reverse over reverse.
    products = jax.jit(lambda o: jax.jvp(expected, (o,), (tangent,))[1])(OUTPUTS)
    forward_over_reverse = jax.jit(lambda o: jax.jvp(jax.grad(_summed), (o,), (tangent,))[1])
    _assert_close(forward_over_reverse(OUTPUTS), products)

    def slope(outputs):
        leaves = zip(*map(jax.tree.leaves, (jax.grad(_summed)(outputs), tangent)), strict=True)
        return sum((a * b).sum() for a, b in leaves)

    _assert_close(_gradient(slope)(OUTPUTS), products)
    of_smoothing = _gradient(_summed, argnums=1)(OUTPUTS, 0.1)
    _assert_close(of_smoothing, _gradient(lambda a: _plain(OUTPUTS, a).sum())(0.1))
    of_weights = _gradient(_summed, argnums=2)(OUTPUTS, 0.0, BATCH["weights"])
    losses = loss(OUTPUTS, {"targets": BATCH["targets"]}).per_example
    _assert_close(of_weights, losses * (BATCH["weights"] != 0))


def test_single_losses_can_be_differentiated_too():
    factors = jnp.sin(jnp.arange(21.0)).reshape(3, 7)

    def of_both(outputs):
        terms = loss(outputs, BATCH, label_smoothing=0.1)
        return (factors * terms.per_example).sum() + 3 * terms.summed

    def plain(outputs):
        return ((factors + 3) * _plain(outputs, 0.1)).sum()

    _assert_close(_gradient(of_both)(OUTPUTS), _gradient(plain)(OUTPUTS))
    _assert_close(
        _gradient(lambda o: (factors * loss(o, BATCH).per_example).sum())(OUTPUTS),
        _gradient(lambda o: (factors * _plain(o, 0.0)).sum())(OUTPUTS),
    )


def test_gradient_computes_no_logits_twice():
    shapes = jax.make_jaxpr(jax.grad(_summed))(OUTPUTS)
    products = str(shapes).count("dot_general")
    # The logits, and what they send back to the features and to the table.
    assert products == 3


@pytest.mark.parametrize("tokens_at_a_time", [1, 4, 20, 21])
def test_parts_do_not_change_what_comes_out(monkeypatch, tokens_at_a_time):
    def values(outputs):
        return of_every_token(
            lambda values, targets: {"lse": jax.nn.logsumexp(values, -1), "target": targets},
            logits,
            *outputs,
            BATCH["targets"],
        )

    gradient_of = jax.grad(lambda o: (values(o)["lse"] * BATCH["weights"]).sum())
    whole = gradient_of(OUTPUTS)
    monkeypatch.setattr(token_losses, "TOKENS_AT_A_TIME", tokens_at_a_time)
    found = values(OUTPUTS)
    np.testing.assert_array_equal(found["target"], BATCH["targets"])
    np.testing.assert_allclose(found["lse"], jax.nn.logsumexp(OUTPUTS.logits(), -1), rtol=1e-5)
    _assert_close(gradient_of(OUTPUTS), whole)


def test_step_holds_the_logits_of_a_part_only():
    rows, length, vocabulary = 16, 256, 32_000

    def temporary_bytes(function):
        shapes = Outputs(
            jax.ShapeDtypeStruct((rows, length, 64), jnp.float32),
            jax.ShapeDtypeStruct((vocabulary, 64), jnp.float32),
        )
        targets = jax.ShapeDtypeStruct((rows, length), jnp.int32)
        compiled = jax.jit(jax.grad(function)).lower(shapes, targets).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    def in_parts(outputs, targets):
        return loss(outputs, {"targets": targets}, label_smoothing=0.1).summed

    all_logits = rows * length * vocabulary * 4
    assert temporary_bytes(in_parts) < 2 * all_logits  # twice: of one half, values and gradients


def test_masked_tokens_may_be_anything():
    hidden = OUTPUTS.hidden.at[0, 0].set(jnp.nan)
    batch = {**BATCH, "weights": BATCH["weights"].at[0, 0].set(0.0)}
    terms = loss(OUTPUTS._replace(hidden=hidden), batch)
    assert np.isfinite(terms.summed)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"got \(3, 7\), \(3, 6\) and \(3, 6\)"):
        loss(OUTPUTS, {"targets": BATCH["targets"][:, 1:]})
