"""A second set of reference numbers: other parameters, images and sizes of a batch.

Parameters, running averages and images come from one short formula. The values are printed in the
benchmark's specification of the two workloads; they were computed with the reference
implementation v0.6 (the transformer with norms behind the sums: v0.5).
"""

import math
from typing import Any

import jax
import numpy as np
import pytest
from golden_vectors import by_name

from workloads.imagenet.loss import loss

IMAGES_SHAPE = (2, 224, 224, 3)

# logits[0, :4], logits[1, :4], mean and standard deviation of all logits
TRAINING = {
    "imagenet_resnet": (
        [0.7951281, -1.1283383, -1.0879161, -2.8521926],
        [0.4488508, -1.1382904, -0.9499942, -2.6076527],
        -0.0364084,
        1.0697815,
    ),
    "imagenet_resnet_silu": (
        [0.2093319, -0.6619219, -0.9244495, -1.6797559],
        [0.6747214, -0.6316549, -0.2278381, -1.4558069],
        -0.0213443,
        0.6170344,
    ),
    "imagenet_resnet_gelu": (
        [0.6070879, -0.9588677, -1.0950812, -1.9366441],
        [0.5345355, -0.8834636, -0.7884052, -2.4444156],
        -0.0258795,
        0.8452884,
    ),
}
EVALUATION = {
    "imagenet_resnet": (
        [0.3256533, -2.698763, -3.1695607, -4.9917607],
        [0.2433656, -2.712006, -3.1808538, -4.9870334],
        -0.0697667,
        1.7833482,
    ),
    "imagenet_resnet_silu": (
        [0.1465957, 0.1035811, 0.0182972, 0.0369812],
        [0.1466335, 0.1034929, 0.0182406, 0.0370924],
        -0.0009399,
        0.0845639,
    ),
    "imagenet_resnet_gelu": (
        [0.0690972, -0.0311213, 0.0121033, -0.2653321],
        [0.0546616, -0.0261705, 0.0398286, -0.2135037],
        -0.0047421,
        0.1627602,
    ),
    "imagenet_vit": (
        [0.4532377, 0.4529904, 0.4320262, 0.381874],
        [0.6471121, 0.4384782, 0.4003859, 0.4917814],
        -0.0266290,
        0.5898150,
    ),
    "imagenet_vit_glu": (
        [0.0398253, 0.2822269, 0.2829524, -0.0932677],
        [0.2059211, 0.3382221, 0.4068118, 0.0500968],
        0.0250121,
        0.5848955,
    ),
    "imagenet_vit_map": (
        [0.6919745, -1.1498533, 0.7517772, 0.3615584],
        [1.0313187, -1.282625, 0.5408602, 0.3112843],
        0.0681191,
        0.6065423,
    ),
    "imagenet_vit_post_ln": (
        [0.6277115, 0.1202781, -0.0466641, 0.2660611],
        [0.6706389, 0.1342136, -0.1200698, 0.3099237],
        -0.0203452,
        0.6292788,
    ),
}
# Losses of the evaluation for classes 1 and 7, with smoothing 0 and 0.1.
LOSSES = {
    "imagenet_resnet": ([11.16902, 8.887111], [10.905994, 8.850206]),
    "imagenet_vit": ([6.601327, 7.74415], [6.6490965, 7.677622]),
}
# First means and variances after a training pass.
RUNNING_AVERAGES = {
    "BatchNorm_init": (
        [-0.0430991, -0.0116152, 0.0077973],
        [1.1939583, 0.9396642, 0.9254397],
    ),
    "BottleneckResNetBlock_15/BatchNorm_2": (
        [-0.0680983, 0.1568145, -0.0501316],
        [0.8622528, 0.819948, 0.8654834],
    ),
}


def _noise(size: int, number: int) -> np.ndarray:
    """Values in [-0.5, 0.5), float64 `[size]`, that look random."""
    i = np.arange(1, size + 1)
    waves = np.abs(np.sin(12.9898 * i + 78.233 * (number + 1))) * 43758.5453
    return waves % 1 - 0.5


def _fan_in(path: str, shape: tuple[int, ...]) -> int:
    *_, layer, _ = path.split("/")
    if layer in ("query", "key", "value"):
        return shape[0]
    if layer == "out":
        return shape[0] * shape[1]
    return math.prod(shape[:-1])


def _filled(path: str, shape: tuple[int, ...], number: int) -> np.ndarray:
    u = _noise(math.prod(shape), number).reshape(shape)
    match path.split("/")[-1]:
        case "kernel":
            u = u * math.sqrt(12 / _fan_in(path, shape))
        case "scale":
            u = 1 + 0.2 * u
        case "bias" | "mean":
            u = 0.2 * u
        case "var":
            u = 1 + 0.5 * u
        case "probe":
            pass
    return u.astype(np.float32)


def _fill_tree(tree: Any) -> Any:
    numbers = {name: number for number, name in enumerate(sorted(by_name(tree)))}
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: _filled(
            name := jax.tree_util.keystr(path, simple=True, separator="/"),
            leaf.shape,
            numbers[name],
        ),
        tree,
    )


def _forward(variant, *, train: bool) -> tuple[np.ndarray, Any]:
    params, model_state = variant.shapes
    images = math.sqrt(12) * _noise(math.prod(IMAGES_SHAPE), 1000).reshape(IMAGES_SHAPE)
    variables = _fill_tree(params), {name: _fill_tree(x) for name, x in model_state.items()}
    logits, state = variant.forward(*variables, images.astype(np.float32), train=train)
    return np.asarray(logits, np.float64), state


def _assert_logits(logits: np.ndarray, expected: tuple, tolerance: float) -> None:
    """Compares with an absolute tolerance in units of the logits' standard deviation."""
    first, second, mean, deviation = expected
    atol = tolerance * deviation
    np.testing.assert_allclose(logits[0, :4], first, rtol=1e-7, atol=atol)
    np.testing.assert_allclose(logits[1, :4], second, rtol=1e-7, atol=atol)
    np.testing.assert_allclose([logits.mean(), logits.std()], [mean, deviation], atol=atol)


def test_formula_gives_its_published_first_values():
    kernel = _filled("Conv_init/kernel", (7, 7, 3, 64), 158)
    np.testing.assert_allclose(kernel[0, 0, 0, :3], [0.094427, 0.0319363, -0.1104163], atol=1e-6)
    images = math.sqrt(12) * _noise(3, 1000)
    np.testing.assert_allclose(images, [-0.4840313, -1.1661612, -1.1798524], atol=1e-6)


@pytest.mark.parametrize(
    "variant",
    [
        # The base's training pass, with activations that the golden logits look at.
        pytest.param(name, marks=[pytest.mark.slow] if name != "imagenet_resnet" else [])
        for name in TRAINING
    ],
    indirect=True,
)
def test_logits_and_running_averages_of_a_training_pass(variant):
    logits, state = _forward(variant, train=True)
    # Statistics of two images: deviations by rounding are larger than in an evaluation.
    _assert_logits(logits, TRAINING[variant.name], 5e-5)
    if variant.name == "imagenet_resnet":
        averages = by_name(state["batch_stats"])
        for layer, (means, variances) in RUNNING_AVERAGES.items():
            np.testing.assert_allclose(averages[f"{layer}/mean"][:3], means, atol=5e-6)
            np.testing.assert_allclose(averages[f"{layer}/var"][:3], variances, atol=1e-5)


@pytest.mark.slow  # the golden vectors say the same about these passes
@pytest.mark.parametrize("variant", EVALUATION, indirect=True)
def test_logits_and_losses_of_an_evaluation(variant):
    logits, _ = _forward(variant, train=False)
    _assert_logits(logits, EVALUATION[variant.name], 1e-5)
    for smoothing, expected in zip((0, 0.1), LOSSES.get(variant.name, ()), strict=False):
        batch = {"targets": np.array([1, 7], np.int32)}
        terms = loss(logits.astype(np.float32), batch, label_smoothing=smoothing)
        np.testing.assert_allclose(terms.per_example, expected, rtol=1e-6)
