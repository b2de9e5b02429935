"""Normalisation and mixup against their formulas in float64."""

import jax
import numpy as np
import pytest

from workloads.imagenet import inputs

MEAN = 255 * np.array([0.485, 0.456, 0.406])
STD = 255 * np.array([0.229, 0.224, 0.225])
CLASSES = 5


def _host_batch(replicas, per_replica, weight, dtype=np.uint8, seed=0):
    """A batch `[replicas, ...]` as the training data of the transformer come."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (replicas, per_replica, 4, 4, 3)).astype(dtype)
    classes = rng.integers(0, CLASSES, (replicas, per_replica), np.int32)
    return {
        "inputs": pixels,
        "targets": classes,
        "weights": np.ones((replicas, per_replica), np.float32),
        "mixup_weight": np.full(replicas, weight, np.float32),
        "previous_input": np.roll(pixels[:, -1], 1, axis=0),
        "previous_target": np.roll(classes[:, -1], 1, axis=0),
    }


def _one_replica(batch, replica=0):
    return jax.tree.map(lambda x: x[replica], batch)


def _mixed(x, weight):
    """`w x_i + (1 - w) x_(i - 1)`, cyclically over all examples, in float64."""
    return weight * x + (1 - weight) * np.roll(x, 1, axis=0)


def test_pixels_are_normalised_like_the_specified_example():
    # From the benchmark's specification: a resized pixel and what becomes of it.
    pixel = np.array([78.4964, 125.926704, 106.24835], np.float32).reshape(1, 1, 1, 3)
    expected = [-0.77367246, 0.1688849, 0.04737871]
    np.testing.assert_allclose(inputs.images({"inputs": pixel}).ravel(), expected, atol=1e-6)


def test_integer_and_float_pixels_give_the_same_images():
    integers = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    images = inputs.images({"inputs": integers})
    assert images.dtype == np.float32
    floats = inputs.images({"inputs": integers.astype(np.float32)})
    np.testing.assert_array_equal(images, floats)
    np.testing.assert_allclose(images, (integers - MEAN) / STD, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("replicas", [1, 4])
@pytest.mark.parametrize("weight", [0.0, 0.35, 1.0])
def test_mixup_pairs_each_example_with_the_one_before_across_replicas(replicas, weight):
    batch = _host_batch(replicas, 8 // replicas, weight)
    images = np.stack([inputs.images(_one_replica(batch, r)) for r in range(replicas)])
    pixels = batch["inputs"].reshape(8, 4, 4, 3).astype(np.float64)
    expected = _mixed((pixels - MEAN) / STD, np.float32(weight))
    np.testing.assert_allclose(images.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)
    targets = np.stack([inputs.targets(_one_replica(batch, r), CLASSES) for r in range(replicas)])
    expected = _mixed(np.eye(CLASSES)[batch["targets"].ravel()], np.float32(weight))
    np.testing.assert_allclose(targets.reshape(8, CLASSES), expected, rtol=1e-6, atol=1e-7)


def test_mixup_of_float_pixels_is_the_same():
    integers = _one_replica(_host_batch(1, 6, 0.2))
    floats = _one_replica(_host_batch(1, 6, 0.2, np.float32))
    np.testing.assert_array_equal(inputs.images(integers), inputs.images(floats))


def test_replicas_can_be_mapped():
    batch = _host_batch(2, 3, 0.6)
    images = jax.jit(jax.vmap(inputs.images))(batch)
    for replica in range(2):
        expected = inputs.images(_one_replica(batch, replica))
        np.testing.assert_allclose(images[replica], expected, rtol=1e-6, atol=1e-6)


def test_class_ids_become_one_hot():
    found = inputs.targets({"targets": np.array([2, 0], np.int32)}, 3)
    np.testing.assert_array_equal(found, [[0, 0, 1], [1, 0, 0]])


def test_distributions_stay_as_they_are():
    dense = np.array([[0.25, 0.75], [1, 0]], np.float32)
    np.testing.assert_array_equal(inputs.targets({"targets": dense}, 2), dense)


def test_distributions_over_another_number_of_classes_are_refused():
    with pytest.raises(ValueError, match=r"\[examples, 10\].*\(4, 7\)"):
        inputs.targets({"targets": np.zeros((4, 7), np.float32)}, 10)


def test_absent_weights_are_ones():
    np.testing.assert_array_equal(inputs.weights({"targets": np.zeros(3, np.int32)}), [1, 1, 1])
