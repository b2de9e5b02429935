"""From measurements in k-space to normalised images: mask, inverse transform, crop, statistics.

The mask leaves out columns, so the transform along the other axis can be made beforehand, and once
for all masks: `transform_rows`, then `processed`.
"""

from typing import NamedTuple

import numpy as np

from workloads.fastmri.philox import Seed, uniforms

CENTER_FRACTION = 0.08
ACCELERATION = 4
EVALUATION_SEED: Seed = (0, 0)
"""Of the masks of validation and test, one for each width."""

_CLIP = 6.0


class Slice(NamedTuple):
    """A slice as the model sees it, or several with a leading axis.

    Attributes:
      inputs: float32 `[size, size]`, the image of the measurements that the mask leaves.
      targets: float32 `[size, size]`, that of all of them, normalised alike.
      mean, std: float32, what both were normalised with.
    """

    inputs: np.ndarray
    targets: np.ndarray
    mean: np.ndarray
    std: np.ndarray


def mask(width: int, seed: Seed) -> np.ndarray:
    """Which columns are measured, bool `[width]`: a band in the middle, and others at random.

    About `width / ACCELERATION` are, on average.
    """
    in_band = int(np.float32(width) * np.float32(CENTER_FRACTION))
    first = (width - in_band + 1) // 2
    probability = np.float32(width / ACCELERATION - in_band) / np.float32(width - in_band)
    measured = uniforms(seed, width) < probability
    measured[first : first + in_band] = True
    return measured


def transform_rows(kspace: np.ndarray, size: int) -> np.ndarray:
    """The centred, orthonormal inverse transform along the height, of which the middle is kept.

    Args:
      kspace: complex64 `[slices, height, width]`.
      size: rows that are kept.

    Returns:
      complex64 `[slices, size, width]`.
    """
    rows = _centred_inverse(kspace, axis=1)
    first = (kspace.shape[1] - size) // 2
    return np.ascontiguousarray(rows[:, first : first + size])


def processed(rows: np.ndarray, target: np.ndarray, measured: np.ndarray) -> Slice:
    """One slice as the model sees it.

    Args:
      rows: complex64 `[size, width]`, see `transform_rows`.
      target: float32 `[size, size]`, the image of all measurements.
      measured: bool `[width]`.
    """
    size, width = rows.shape
    first = (width - size) // 2
    image = np.abs(_centred_inverse(rows * measured, axis=1)[:, first : first + size])
    mean, std = np.float32(image.mean(dtype=np.float64)), np.float32(image.std(dtype=np.float64))
    return Slice(_normalised(image, mean, std), _normalised(target, mean, std), mean, std)


def _centred_inverse(x: np.ndarray, axis: int) -> np.ndarray:
    shifted = np.fft.ifft(np.fft.ifftshift(x, axes=axis), axis=axis, norm="ortho")
    return np.fft.fftshift(shifted, axes=axis)


def _normalised(image: np.ndarray, mean: np.float32, std: np.float32) -> np.ndarray:
    return np.clip((image - mean) / std, -_CLIP, _CLIP)
