"""Masks and slices against the benchmark's specification, and against double precision."""

import jax.numpy as jnp
import numpy as np
import pytest
from scan_files import expected_slice

from workloads.fastmri.slices import EVALUATION_SEED, mask, processed, transform_rows
from workloads.fastmri.ssim import ssim

# Columns from the left, most significant bits first.
MASKS = {
    320: "0030184a82004501240822100040422401080ffffff8100a0430801028c424640020201202864480",
    368: "0030184a82004501240822100040422401080048283ffffffe30801028c424640020201202864480"
    "e22400218252",
    372: "0030184a82004501240822100040422401080048280fffffffb0801028c424640020201202864480"
    "e2240021825200",
}
# By columns: how many there are in the band, where it begins, how many are measured.
BANDS = {
    320: (25, 148, 80),
    322: (25, 149, 82),
    330: (26, 152, 85),
    332: (26, 153, 86),
    356: (28, 164, 92),
    368: (29, 170, 97),
    370: (29, 171, 97),
    372: (29, 172, 97),
    384: (30, 177, 99),
    386: (30, 178, 100),
    388: (31, 179, 102),
    390: (31, 180, 103),
    400: (32, 184, 108),
    408: (32, 188, 108),
    416: (33, 192, 114),
    454: (36, 209, 119),
}


@pytest.mark.parametrize("width", MASKS)
def test_evaluation_masks_are_the_benchmark_s(width):
    packed = np.packbits(mask(width, EVALUATION_SEED)).tobytes().hex()
    assert packed == MASKS[width][: len(packed)]
    assert set(MASKS[width][len(packed) :]) <= {"0"}


@pytest.mark.parametrize("width", BANDS)
def test_masks_have_a_band_in_the_middle(width):
    in_band, first, measured = BANDS[width]
    found = mask(width, EVALUATION_SEED)
    assert found.sum() == measured
    assert found[first : first + in_band].all()
    outside = np.delete(found, np.arange(first, first + in_band))
    assert outside.sum() == measured - in_band


def test_masks_measure_a_quarter_on_average():
    found = [mask(372, (seed, 5)).sum() for seed in range(300)]
    assert abs(np.mean(found) - 93) < 1
    assert len(set(found)) > 10


def synthetic(width):
    """The specification's slice: measurements and image."""
    h, w = np.ogrid[:640, :width]
    blob = 0.2 + np.exp(-(((h - 320) / 90) ** 2) - ((w - width / 2) / 70) ** 2)
    texture = 1 + 0.5 * np.cos(0.15 * h) * np.sin(0.11 * w)
    texture = texture + 0.3 * np.cos(2.2 * h + 0.3) * np.sin(1.9 * w)
    image = 1e-4 * blob * texture * np.exp(1j * (0.01 * h + 0.02 * w))
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image), norm="ortho"))
    left = (width - 320) // 2
    target = np.abs(image)[160:480, left : left + 320].astype(np.float32)
    return kspace.astype(np.complex64), target


POINTS = ((0, 0), (100, 200), (160, 160), (319, 5))
EXPECTED = {
    368: {
        "mean": 3.915896e-05,
        "std": 2.718999e-05,
        "largest": 2.106712e-04,
        "inputs": [-0.564599, 0.686870, 1.362049, -0.698084],
        "targets": [-0.429190, 0.214536, 0.729474, -0.708012],
        "difference": 0.135062,
        "ssim": 0.828198,
    },
    372: {
        "mean": 3.907696e-05,
        "std": 2.713761e-05,
        "largest": 2.108140e-04,
        "inputs": [-0.697707, 0.945260, 1.704453, -0.576423],
        "targets": [-0.811012, 1.444968, 2.674526, -0.596833],
        "difference": 0.178627,
        "ssim": 0.671037,
    },
}


@pytest.mark.parametrize("width", EXPECTED)
def test_slice_of_the_specification(width):
    kspace, target = synthetic(width)
    expected = EXPECTED[width]
    (rows,) = transform_rows(kspace[None], 320)
    assert (rows.shape, rows.dtype) == ((320, width), "complex64")
    found = processed(rows, target, mask(width, EVALUATION_SEED))
    np.testing.assert_allclose(found.mean, expected["mean"], rtol=1e-6)
    np.testing.assert_allclose(found.std, expected["std"], rtol=1e-6)
    for name in ("inputs", "targets"):
        image = getattr(found, name)
        assert (image.shape, image.dtype) == ((320, 320), "float32")
        np.testing.assert_allclose([image[p] for p in POINTS], expected[name], atol=3e-6)
    np.testing.assert_allclose(
        np.abs(found.inputs - found.targets).mean(), expected["difference"], atol=1e-6
    )
    largest = target.max()
    np.testing.assert_allclose(largest, expected["largest"], rtol=1e-6)
    images = [jnp.asarray(x[None] * found.std + found.mean) for x in (found.inputs, found.targets)]
    similarity = ssim(*images, jnp.asarray(largest[None]))
    np.testing.assert_allclose(similarity[0], expected["ssim"], atol=2e-6)


@pytest.mark.parametrize("width", [368, 372, 319 + 2])
def test_slices_agree_with_double_precision(width):
    random = np.random.default_rng(width)
    kspace = 1e-4 * (random.normal(size=(640, width)) + 1j * random.normal(size=(640, width)))
    kspace, target = kspace.astype(np.complex64), random.random((320, 320)).astype(np.float32)
    measured = mask(width, (width, 1))
    found = processed(transform_rows(kspace[None], 320)[0], 1e-4 * target, measured)
    for a, b in zip(found, expected_slice(kspace, 1e-4 * target, measured), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=3e-6 if np.ndim(b) else 0)


def test_large_values_are_clipped():
    kspace, target = synthetic(368)
    target[5, 5] = 1.0
    rows = transform_rows(kspace[None], 320)
    found = processed(rows[0], target, mask(368, EVALUATION_SEED))
    assert found.targets[5, 5] == 6
