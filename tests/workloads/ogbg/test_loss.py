"""The masked sigmoid cross entropy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_vectors import assert_loss

from workloads.ogbg.loss import loss

LOGITS = np.array([[2.0, -1.0, 0.0, 30.0], [0.5, -30.0, 1.5, -0.5]], np.float32)
LABELS = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]], np.float32)
WEIGHTS = np.array([[1.0, 1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]], np.float32)


def _batch(labels=LABELS, weights=WEIGHTS):
    return {"labels": labels, "weights": weights}


def _cross_entropy(logits, labels):
    """-y log p - (1 - y) log (1 - p) with p = 1 / (1 + exp(-x)), in float64."""
    x = logits.astype(np.float64)
    return labels * np.log1p(np.exp(-x)) + (1 - labels) * np.log1p(np.exp(x))


def test_loss_matches_the_reference(case_for_logits):
    case = case_for_logits
    assert_loss(loss(case.logits, case.batch), case.expected["eval"]["loss"]["weights"])


def test_loss_with_smoothing_matches_the_reference(case_for_logits):
    case = case_for_logits
    terms = jax.jit(loss)(case.logits, case.batch, label_smoothing=jnp.float32(0.1))
    assert_loss(terms, case.expected["eval"]["loss"]["weights_label_smoothing_0.1"])


def test_entries_are_binary_cross_entropies():
    terms = loss(LOGITS, _batch())
    expected = _cross_entropy(LOGITS, LABELS) * WEIGHTS
    np.testing.assert_allclose(terms.per_example, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(terms.summed, expected.sum(), rtol=1e-6)


def test_n_valid_counts_labelled_entries_and_not_graphs():
    assert loss(LOGITS, _batch()).n_valid == 5


def test_smoothing_pulls_labels_towards_one_over_the_number_of_tasks():
    smoothed = 0.8 * LABELS + 0.2 / 4
    expected = _cross_entropy(LOGITS, smoothed) * WEIGHTS
    terms = loss(LOGITS, _batch(), label_smoothing=0.2)
    np.testing.assert_allclose(terms.per_example, expected, rtol=1e-5)


def test_missing_labels_may_be_nan_in_values_and_gradients():
    with_nan = _batch(labels=np.where(WEIGHTS == 0, np.nan, LABELS))
    value, grad = jax.value_and_grad(lambda x: loss(x, with_nan).summed)(LOGITS)
    np.testing.assert_allclose(value, loss(LOGITS, _batch()).summed)
    assert np.isfinite(grad).all()
    assert not grad[WEIGHTS == 0].any()


def test_gradient_is_probability_minus_label_also_at_logit_zero():
    logits = np.array([[0.0, 0.0, 3.0, -200.0]], np.float32)
    labels = np.array([[0.0, 1.0, 1.0, 0.0]], np.float32)
    grad = jax.grad(lambda x: loss(x, {"labels": labels}).summed)(logits)
    expected = 1 / (1 + np.exp(-logits.astype(np.float64))) - labels
    np.testing.assert_allclose(grad, expected, rtol=1e-5, atol=1e-7)


def test_without_weights_every_entry_counts():
    everything = _batch(weights=np.ones_like(WEIGHTS))
    terms = loss(LOGITS, {"labels": LABELS})
    assert terms.n_valid == LOGITS.size
    assert terms.summed == loss(LOGITS, everything).summed


def test_batch_of_padding_has_loss_zero_and_no_valid_entry():
    terms = loss(LOGITS, _batch(weights=np.zeros_like(WEIGHTS)))
    assert (terms.summed, terms.n_valid) == (0, 0)


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 4\), \(2, 3\)"):
        loss(LOGITS, _batch(labels=LABELS[:, :3]))
