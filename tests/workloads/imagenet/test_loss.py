"""The softmax cross entropy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_vectors import assert_loss

from workloads.imagenet.loss import loss

LOGITS = np.array([[2.0, -1.0, 0.0], [0.5, -30.0, 1.5], [0.0, 0.0, 90.0]], np.float32)
CLASSES = np.array([0, 1, 2], np.int32)


def _cross_entropy(logits, distributions):
    """-sum_k y_k log softmax(x)_k, in float64."""
    x = logits.astype(np.float64)
    log_sum = np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)) + x.max(
        -1, keepdims=True
    )
    return -(distributions * (x - log_sum)).sum(-1)


def _soft_targets(classes, num_classes):
    """The golden vectors' mixture of each class and the next one."""
    one_hot = np.eye(num_classes, dtype=np.float32)
    return 0.7 * one_hot[classes] + 0.3 * one_hot[(classes + 1) % num_classes]


def test_losses_match_the_reference(case_for_logits):
    case = case_for_logits
    expected = case.expected["loss"]
    plain = {"targets": case.batch["targets"]}
    soft = {"targets": _soft_targets(case.batch["targets"], case.logits.shape[1])}
    assert_loss(loss(case.logits, plain), expected["plain"])
    assert_loss(loss(case.logits, case.batch), expected["weights"])
    assert_loss(loss(case.logits, plain, label_smoothing=0.1), expected["label_smoothing_0.1"])
    assert_loss(loss(case.logits, soft), expected["soft_targets"])


def test_examples_have_cross_entropies():
    terms = loss(LOGITS, {"targets": CLASSES})
    expected = _cross_entropy(LOGITS, np.eye(3))
    np.testing.assert_allclose(terms.per_example, expected, rtol=1e-6)
    np.testing.assert_allclose(terms.summed, expected.sum(), rtol=1e-6)
    assert terms.n_valid == 3


def test_smoothing_may_be_traced_and_comes_on_top_of_dense_targets():
    dense = np.array([[0.2, 0.8, 0.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5]], np.float32)
    terms = jax.jit(loss)(LOGITS, {"targets": dense}, label_smoothing=jnp.float32(0.3))
    expected = _cross_entropy(LOGITS, 0.7 * dense + 0.3 / 3)
    np.testing.assert_allclose(terms.per_example, expected, rtol=1e-6)


def test_as_many_examples_as_classes_are_still_class_ids():
    square = loss(LOGITS, {"targets": CLASSES})
    dense = loss(LOGITS, {"targets": np.eye(3, dtype=np.float32)[CLASSES]})
    np.testing.assert_array_equal(square.per_example, dense.per_example)


def test_padding_counts_nothing_even_where_its_logits_are_nan():
    logits = np.concatenate([LOGITS, np.full((2, 3), np.nan, np.float32)])
    batch = {
        "targets": np.array([*CLASSES, 0, 0], np.int32),
        "weights": np.array([1, 1, 1, 0, 0], np.float32),
    }
    value, grad = jax.value_and_grad(lambda x: loss(x, batch).summed)(logits)
    terms = loss(logits, batch)
    np.testing.assert_allclose(value, loss(LOGITS, {"targets": CLASSES}).summed, rtol=1e-6)
    assert terms.n_valid == 3
    np.testing.assert_array_equal(terms.per_example[3:], 0)
    assert np.isfinite(grad[:3]).all()


def test_batch_of_padding_has_loss_zero_and_no_valid_example():
    terms = loss(LOGITS, {"targets": CLASSES, "weights": np.zeros(3, np.float32)})
    assert (terms.summed, terms.n_valid) == (0, 0)


@pytest.mark.parametrize("mixup_weight", [0.0, 0.3, 1.0])
def test_mixed_targets_give_the_mixture_of_the_losses(mixup_weight):
    batch = {
        "targets": CLASSES,
        "mixup_weight": np.float32(mixup_weight),
        "previous_target": np.int32(1),
    }
    own = loss(LOGITS, {"targets": CLASSES}).per_example
    partners = loss(LOGITS, {"targets": np.array([1, 0, 1], np.int32)}).per_example
    expected = mixup_weight * own + (1 - mixup_weight) * partners
    np.testing.assert_allclose(loss(LOGITS, batch).per_example, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "batch",
    [
        {"targets": CLASSES[:2]},
        {"targets": np.eye(3, 4)},
        {"targets": CLASSES, "weights": np.ones((3, 3))},
    ],
)
def test_shapes_that_do_not_go_together_are_refused(batch):
    with pytest.raises(ValueError, match=r"targets .*\(3, 3\)|distributions \[examples, 3\]"):
        loss(LOGITS, batch)
