"""The CTC loss against the specification, the reference, optax and a textbook in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from golden_vectors import GoldenSet, assert_array_record

from workloads.librispeech.ctc import ctc_loss

LOSSES = jax.jit(ctc_loss)


def with_gradient(logits, lengths, labels, label_lengths, factors):
    """The losses and the gradient of their weighted sum."""

    def summed(logits):
        losses = ctc_loss(logits, lengths, labels, label_lengths)
        return (factors * losses).sum(), losses

    (_, losses), gradient = jax.value_and_grad(summed, has_aux=True)(logits)
    return losses, gradient


COMPILED = jax.jit(with_gradient)


def both(*batch, factors=None):
    """The same, compiled, with factors 1 where none are given."""
    return COMPILED(*batch, np.ones(len(batch[0]), np.float32) if factors is None else factors)


def example_batch(examples=4, frames=30, classes=7, slots=9, seed=0, spread=1.0):
    """Logits, lengths, labels with repeats, label lengths; alignments exist."""
    rng = np.random.default_rng(seed)
    logits = (spread * rng.normal(size=(examples, frames, classes))).astype(np.float32)
    label_lengths = rng.integers(0, slots + 1, examples)
    labels = rng.integers(1, classes, (examples, slots))
    labels[:, 1::3] = labels[:, 0:-1:3]
    lengths = np.clip(rng.integers(frames // 2, frames + 1, examples), 2 * label_lengths, frames)
    return logits, lengths, labels, label_lengths


def textbook(logits, length, labels):
    """Loss and gradient of one example in float64: Graves et al. (2006), sections 4.1 and 4.2."""
    logits = np.asarray(logits, np.float64)
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    path = [0, *(x for label in labels for x in (label, 0))]
    states = len(path)

    def sums(log_p, path):
        alpha = np.full((length, states), -np.inf)
        alpha[0, :2] = log_p[0, path[:2]]
        for t in range(1, length):
            for s in range(states):
                before = [alpha[t - 1, s]]
                if s >= 1:
                    before.append(alpha[t - 1, s - 1])
                if s >= 2 and path[s] not in (0, path[s - 2]):
                    before.append(alpha[t - 1, s - 2])
                alpha[t, s] = np.logaddexp.reduce(before) + log_p[t, path[s]]
        return alpha

    alpha = sums(log_p[:length], path)
    beta = sums(log_p[:length][::-1], path[::-1])[::-1, ::-1]
    total = np.logaddexp.reduce(alpha[-1, -2:])
    gradient = np.exp(log_p)
    gradient[length:] = 0
    for s, label in enumerate(path):
        gradient[:length, label] -= np.exp(alpha[:, s] + beta[:, s] - log_p[:length, label] - total)
    return -total, gradient


def optax_in_float64(logits, lengths, labels, label_lengths):
    """Losses and the gradient of their sum by optax, where rounding does not matter."""
    with jax.enable_x64(True):
        is_padding = np.arange(logits.shape[1]) >= lengths[:, None]
        is_no_label = np.arange(labels.shape[1]) >= label_lengths[:, None]

        @jax.jit
        def of(logits):
            losses = optax.ctc_loss(
                logits, is_padding.astype(float), labels, is_no_label.astype(float)
            )
            return losses.sum(), losses

        (_, losses), gradient = jax.value_and_grad(of, has_aux=True)(np.asarray(logits, float))
        return np.asarray(losses), np.asarray(gradient)


def test_losses_are_those_of_the_specification():
    logits = np.random.RandomState(7).standard_normal((4, 6, 5)).astype(np.float32)
    labels = np.array([[1, 2, 3, 0], [2, 2, 0, 0], [1, 2, 3, 3], [0, 0, 0, 0]])
    losses = LOSSES(logits, np.array([6, 4, 2, 0]), labels, np.array([3, 2, 4, 0]))
    np.testing.assert_allclose(losses, [4.0272756, 4.2271156, 100000.164, 0], rtol=1e-6)


def golden_logits(golden: GoldenSet):
    """The logits of the reference's CTC cases, by the formula of their record."""
    is_blank = np.arange(9) == 0
    return (2.5 * golden.texture((5, 14, 9)) + 0.6 * is_blank).astype(np.float32)


def test_losses_and_gradients_match_the_reference(golden: GoldenSet):
    record = golden.load("metrics")["ctc"]
    logits = golden_logits(golden)
    assert_array_record(logits, record["logits"], 1e-6)
    lengths = (1 - np.array(record["logit_paddings"])).sum(axis=1).astype(int)
    label_lengths = (1 - np.array(record["label_paddings"])).sum(axis=1).astype(int)
    losses, gradient = both(logits, lengths, np.array(record["labels"]), label_lengths)
    np.testing.assert_allclose(losses, record["per_example_loss"], rtol=1e-6)
    assert label_lengths.sum() == record["n_valid_examples"]
    assert_array_record(gradient[:2], record["grad_of_summed_over_rows_0_1"], 1e-5)


@pytest.mark.parametrize("spread", [0.1, 3.0, 30.0])
def test_losses_and_gradients_agree_with_the_textbook(spread):
    logits, lengths, labels, label_lengths = example_batch(spread=spread)
    losses, gradient = both(logits, lengths, labels, label_lengths)
    for i, n in enumerate(label_lengths):
        loss, expected = textbook(logits[i], lengths[i], labels[i, :n])
        np.testing.assert_allclose(losses[i], loss, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(gradient[i], expected, atol=3e-6 * max(spread, 1))


def test_long_utterances_keep_their_digits():
    logits, lengths, labels, label_lengths = example_batch(1, 500, 100, 40, seed=3)
    label_lengths = np.array([40])
    losses, gradient = both(logits, lengths, labels, label_lengths)
    loss, expected = textbook(logits[0], lengths[0], labels[0])
    np.testing.assert_allclose(losses[0], loss, rtol=1e-6)
    np.testing.assert_allclose(gradient[0], expected, atol=1e-5)


def test_losses_and_gradients_agree_with_optax_where_no_alignment_is_possible():
    logits, _, labels, _ = example_batch()
    labels[1] = 3  # six equal labels need eleven frames
    lengths, label_lengths = np.array([3, 8, 1, 0]), np.array([6, 6, 2, 3])
    losses, gradient = both(logits, lengths, labels, label_lengths)
    expected, of_logits = optax_in_float64(logits, lengths, labels, label_lengths)
    assert np.all(expected > 9e4)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, of_logits, atol=1e-5)


def test_example_with_labels_that_the_model_excludes_counts_as_impossible():
    logits, lengths, labels, label_lengths = example_batch()
    logits[0, :, labels[0, 0]] = -np.inf
    label_lengths = np.array([1, 1, 2, 3])
    losses, gradient = both(logits, lengths, labels, label_lengths)
    np.testing.assert_allclose(losses[0], 1e5, rtol=1e-3)
    assert np.isfinite(gradient).all()


def test_neither_frames_nor_labels_is_no_loss():
    logits, _, labels, _ = example_batch()
    losses, gradient = both(logits, np.zeros(4, int), labels, np.zeros(4, int))
    np.testing.assert_array_equal(losses, 0)
    np.testing.assert_array_equal(gradient, 0)


def test_without_label_slots_all_frames_are_blank():
    logits, lengths, _, _ = example_batch()
    nothing = np.zeros((4, 0), int), np.zeros(4, int)
    log_p = jax.nn.log_softmax(logits)[:, :, 0]
    is_real = np.arange(logits.shape[1]) < lengths[:, None]
    np.testing.assert_allclose(
        both(logits, lengths, *nothing)[0], -(log_p * is_real).sum(axis=1), rtol=1e-5
    )


def test_frames_behind_the_end_may_be_anything():
    logits, lengths, labels, label_lengths = example_batch()
    lengths = np.minimum(lengths, logits.shape[1] - 2)
    expected = both(logits, lengths, labels, label_lengths)
    behind = np.arange(logits.shape[1]) >= lengths[:, None]
    found = both(np.where(behind[..., None], np.nan, logits), lengths, labels, label_lengths)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert behind.any() and not np.asarray(found[1])[behind].any()


def test_labels_behind_the_end_may_be_anything():
    logits, lengths, labels, label_lengths = example_batch()
    expected = both(logits, lengths, labels, label_lengths)
    behind = np.arange(labels.shape[1]) >= label_lengths[:, None]
    found = both(logits, lengths, np.where(behind, -99, labels), label_lengths)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_cotangents_scale_each_example():
    batch = example_batch()
    factors = np.array([2.0, -0.5, 0.0, 1e-3], np.float32)
    _, expected = both(*batch)
    _, found = both(*batch, factors=factors)
    np.testing.assert_allclose(found, factors[:, None, None] * expected, rtol=1e-6)


def test_nan_stays_with_its_example_and_ends_where_nothing_is_sent_back():
    logits, *others = example_batch()
    factors = np.array([1.0, 0.0, 1.0, 1.0], np.float32)
    expected, of_logits = both(logits, *others, factors=factors)
    logits[1, 0] = np.nan
    losses, gradient = both(logits, *others, factors=factors)
    np.testing.assert_array_equal(np.isnan(losses), [False, True, False, False])
    np.testing.assert_array_equal(losses[::2], expected[::2])
    np.testing.assert_array_equal(gradient, of_logits)


def test_spare_label_slots_change_nothing():
    logits, lengths, labels, label_lengths = example_batch()
    expected = both(logits, lengths, labels, label_lengths)
    spare = np.pad(labels, ((0, 0), (0, 5)), constant_values=3)
    found = both(logits, lengths, spare, label_lengths)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)


def _lanes(batch):
    return [x.reshape(2, 2, *x.shape[1:]) for x in batch]


@pytest.mark.parametrize("mapped", [jax.vmap, jax.pmap])
def test_lanes_and_devices_compute_their_examples(mapped):
    batch = (*example_batch(), np.ones(4, np.float32))
    expected = COMPILED(*batch)
    found = jax.jit(mapped(with_gradient, axis_name="lane"))(*_lanes(batch))
    np.testing.assert_allclose(np.reshape(found[0], -1), expected[0], rtol=1e-6)
    np.testing.assert_allclose(np.reshape(found[1], expected[1].shape), expected[1], atol=1e-6)


def test_gradient_takes_little_memory_beside_itself():
    examples, frames, classes = 8, 50, 2048
    shapes = [
        jax.ShapeDtypeStruct((examples, frames, classes), jnp.float32),
        jax.ShapeDtypeStruct((examples,), jnp.int32),
        jax.ShapeDtypeStruct((examples, 20), jnp.int32),
        jax.ShapeDtypeStruct((examples,), jnp.int32),
        jax.ShapeDtypeStruct((examples,), jnp.float32),
    ]
    compiled = COMPILED.lower(*shapes).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 0.5 * 4 * examples * frames * classes


def test_shapes_that_do_not_fit_are_refused():
    logits, lengths, labels, label_lengths = example_batch()
    with pytest.raises(ValueError, match=r"got \(4, 30, 7\), \(4,\), \(3, 9\), \(4,\)"):
        ctc_loss(logits, lengths, labels[1:], label_lengths)
