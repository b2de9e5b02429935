"""The loss of clicks: the benchmark's formula, its limits, and places that are not filled."""

import jax
import numpy as np
import pytest

from workloads.criteo1tb.loss import loss

LOGITS = np.array([2.0, -1.0, 0.0, 100.0, -100.0], np.float32)
LABELS = np.array([1, 0, 1, 0, 1], np.uint8)
WEIGHTS = np.array([1.0, 1.0, 0.0, 1.0, 1.0], np.float32)


def test_losses_are_binary_cross_entropies():
    x = LOGITS.astype(np.float64)
    expected = np.where(LABELS == 1, np.log1p(np.exp(-x)), np.log1p(np.exp(x)))
    terms = loss(LOGITS, {"labels": LABELS})
    np.testing.assert_allclose(terms.per_example, expected, rtol=1e-6)
    np.testing.assert_array_equal(terms.per_example[3:], 100)  # nothing overflows
    assert terms.n_valid == 5


def test_places_that_are_not_filled_do_not_count():
    values = np.where(WEIGHTS == 0, np.nan, LOGITS)
    summed, grad = jax.value_and_grad(
        lambda x: loss(x, {"labels": LABELS, "weights": WEIGHTS}).summed
    )(LOGITS)
    terms = loss(values, {"labels": LABELS, "weights": WEIGHTS})
    np.testing.assert_allclose(terms.summed, summed)
    assert terms.n_valid == 4 and terms.per_example[2] == 0
    assert grad[2] == 0 and np.all(grad[:2] != 0)


def test_label_smoothing_has_no_effect():
    batch = {"labels": LABELS}
    assert loss(LOGITS, batch, label_smoothing=0.2).summed == loss(LOGITS, batch).summed


@pytest.mark.parametrize("shape", [(5, 1), (4,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"one common shape \[examples\]"):
        loss(np.zeros(shape, np.float32), {"labels": LABELS})
