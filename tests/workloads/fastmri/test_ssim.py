"""Structural similarity against the reference's values, scikit-image, and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_vectors import GoldenSet

from workloads.fastmri.ssim import ssim, window_means


def images(golden: GoldenSet, scale: float, offset: int, shape=(3, 24, 31)) -> np.ndarray:
    """The golden vectors' images."""
    b, h, w = np.ogrid[: shape[0], : shape[1], : shape[2]]
    waves = np.sin(scale * h + 0.5 * b + golden.phi) * np.cos(0.23 * w - 0.1 * b)
    return (waves + 0.2 * golden.texture(shape, offset)).astype(np.float32)


@pytest.fixture
def pair(golden):
    return images(golden, 0.31, 0), images(golden, 0.30, 3)


@pytest.fixture
def expected(golden):
    return golden.load("metrics")["ssim"]


ONES = np.ones(3, np.float32)


def test_similarities_are_the_reference_s(pair, expected):
    x, y = pair
    np.testing.assert_allclose(ssim(x, y, ONES), expected["default_args"], atol=2e-6)
    mean, std = (np.float32(expected[name])[:, None, None] for name in ("mean", "std"))
    found = ssim(x * std + mean, y * std + mean, np.float32(expected["volume_max"]))
    np.testing.assert_allclose(found, expected["with_mean_std_volume_max"], atol=2e-6)
    np.testing.assert_allclose(ssim(x, -x, ONES), expected["negated_targets"], atol=2e-6)
    found = ssim(1000 * x, 1000 * y, ONES)
    np.testing.assert_allclose(found, expected["large_scale_x1000"], atol=2e-5)


def test_equal_and_empty_images(pair, expected):
    x, _ = pair
    zeros = np.zeros_like(x)
    np.testing.assert_allclose(ssim(x, x, ONES), expected["identical"], atol=1e-6)
    np.testing.assert_allclose(ssim(zeros, zeros, 0 * ONES), expected["both_zero"])
    found = ssim(x, zeros, 0 * ONES)
    np.testing.assert_allclose(found, expected["targets_zero_volume_max_zero"], atol=1e-6)


def test_smallest_images(pair, expected):
    x, y = (images[:, :7, :7] for images in pair)
    np.testing.assert_allclose(ssim(x, y, ONES), expected["min_size_7x7"], atol=2e-6)


def test_window_means_are_the_reference_s_within_the_border(pair, expected):
    record = expected["uniform_filter_size7_of_logits0"]
    kept = np.asarray(window_means(pair[0]))[0]
    assert kept.shape == (18, 25)
    filtered = np.full(record["shape"], np.nan)
    filtered[3:-3, 3:-3] = kept
    places = np.arange(16) * (filtered.size - 1) // 15
    found, wanted = filtered.ravel()[places], np.array(record["strided16"])
    inside = ~np.isnan(found)
    assert inside.sum() >= 5
    np.testing.assert_allclose(found[inside], wanted[inside], atol=1e-6)


def test_similarity_of_the_specification():
    i, j = np.ogrid[:320, :320]
    y = 1e-4 * (1 + np.sin(0.05 * i) * np.cos(0.04 * j) + 0.2 * np.sin(1.1 * i + 2 * j))
    x = (y + 2e-5 * np.sin(0.7 * i * j)).astype(np.float32)[None]
    y = y.astype(np.float32)[None]
    largest = y.max(axis=(1, 2))
    np.testing.assert_allclose(largest, 2.1992643e-04, rtol=1e-6)
    np.testing.assert_allclose(ssim(x, y, largest), 0.721381, atol=2e-6)
    np.testing.assert_allclose(ssim(y, y, largest), 1, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 320, 320), (2, 31, 16), (1, 42, 53)])
def test_similarities_are_those_of_scikit_image(shape):
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    random = np.random.default_rng(0)
    y = random.random(shape)
    x = y + 0.1 * random.normal(size=shape)
    largest = y.max(axis=(1, 2))
    found = jax.jit(ssim)(*(a.astype(np.float32) for a in (x, y, largest)))
    wanted = [
        structural_similarity(a, b, win_size=7, data_range=c)
        for a, b, c in zip(x, y, largest, strict=True)
    ]
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_no_number_gives_none(pair):
    x, y = (a.copy() for a in pair)
    x[1, 12, 12] = np.nan
    found = np.asarray(ssim(x, y, ONES))
    assert np.isnan(found[1]) and np.isfinite(found[[0, 2]]).all()


def test_gradients_are_numbers_for_equal_images(pair):
    grad = jax.grad(lambda x: ssim(x, jnp.asarray(pair[0]), jnp.asarray(ONES)).sum())(pair[0])
    assert np.isfinite(grad).all()


@pytest.mark.parametrize(
    ("x", "y", "largest", "message"),
    [
        ((2, 8, 8), (2, 8, 9), (2,), "one shape"),
        ((2, 8, 8), (2, 8, 8), (1,), r"the shape \[n\]"),
        ((2, 6, 8), (2, 6, 8), (2,), "sides of at least 7"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(x, y, largest, message):
    with pytest.raises(ValueError, match=message):
        ssim(jnp.zeros(x), jnp.zeros(y), jnp.zeros(largest))
