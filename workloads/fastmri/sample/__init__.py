"""The embedded sample of the fastMRI workload; `README.md` says what it is."""

import functools
import lzma
from pathlib import Path
from typing import NamedTuple

import numpy as np

from algoperf_jax.data.order import random_words
from algoperf_jax.data.sample import expanded_sample, prepared_in
from workloads.fastmri.files import HELD_OUT, TRAIN, Scans, upstream

SLICES = "slices.xz"

SHAPE = (108, 90)
"""Rows and columns of the embedded images, of 2 mm each."""

_LOWEST, _THICK, _SLABS = 15, 10, 15  # in slices of 1 mm
_VALIDATION, _TEST = (2, 8), (5, 11)
_GAP = 3  # slices of training slabs next to one that is held out are left out

_SCANS_OF_TRAINING = 10
"""Of each training slab, each as if of another head: turned, stretched, brighter on one side, and
every second one mirrored."""


class Slab(NamedTuple):
    """Neighbouring slices.

    Attributes:
      split: "train" or "val".
      slices: their heights, in millimetres.
    """

    split: str
    slices: range


class Scan(NamedTuple):
    """A volume: how a slab is measured.

    Attributes:
      split: of the slab.
      name: of the volume.
      slab: which one of `SLABS`.
      width: columns of the measurements.
      mirrored: whether left is right.
    """

    split: str
    name: str
    slab: int
    width: int
    mirrored: bool


def _slabs() -> list[Slab]:
    held_out = (*_VALIDATION, *_TEST)
    training = [slab for slab in range(_SLABS) if slab not in held_out]
    slabs = []
    for slab in (*training, *held_out):
        first, last = slab * _THICK, (slab + 1) * _THICK
        if slab in training:
            first += _GAP * (slab - 1 in held_out)
            last -= _GAP * (slab + 1 in held_out)
        split = TRAIN if slab in training else HELD_OUT
        slabs.append(Slab(split, range(_LOWEST + first, _LOWEST + last)))
    return slabs


def _scans() -> list[Scan]:
    scans = []
    for slab, (split, _) in enumerate(SLABS):
        for scan in range(_SCANS_OF_TRAINING if split == TRAIN else 1):
            number = len(scans)
            name = f"file{1_000_000 + number}"
            scans.append(Scan(split, name, slab, 92 + number // 2 % 2, mirrored=scan % 2 == 1))
    return scans


SLABS = _slabs()
"""In the order in which the file holds their slices; held-out ones begin with those for
validation."""

SCANS = _scans()
"""Training slabs several times, held-out ones once."""


def _slices_of(split: str) -> int:
    return sum(len(SLABS[scan.slab].slices) for scan in SCANS if scan.split == split)


FORM = Scans(
    height=160,
    size=80,
    train_volumes=sum(scan.split == TRAIN for scan in SCANS),
    train_slices=_slices_of(TRAIN),
    held_out_volumes=sum(scan.split == HELD_OUT for scan in SCANS),
    validation_volumes=len(_VALIDATION),
    validation_slices=_THICK * len(_VALIDATION),
    test_slices=_THICK * len(_TEST),
    eval_train_slices=20,
)

_SCALE = 2e-6  # of a grey value; images are about as dark as those of the knees
_PHASE = 0.5  # of its six coefficients, standard deviation in radians
_NOISE = 2.0  # standard deviation, in grey values
_VERSION = "1"  # of what `_expand` writes


def root(cache_dir: Path) -> Path:
    """Returns the folder with the sample in the form that `prepare` makes, at first use made so."""
    return expanded_sample(
        Path(__file__).parent,
        (SLICES,),
        _expand,
        name="fastmri_sample",
        version=_VERSION,
        cache_dir=cache_dir,
    )


def read_slices(source_dir: Path) -> list[np.ndarray]:
    """Returns the images of each slab, uint8 `[slices, *SHAPE]`."""
    content = lzma.decompress((source_dir / SLICES).read_bytes())
    images = np.frombuffer(content, np.uint8).reshape(-1, *SHAPE)
    return np.split(images, np.cumsum([len(slab.slices) for slab in SLABS])[:-1])


def measured(images: np.ndarray, number: int) -> np.ndarray:
    """The measurements that one coil would make of a slab's images.

    Args:
      images: uint8 `[slices, *SHAPE]`.
      number: which one of `SCANS`; decides phases, which are smooth, and noise.

    Returns:
      complex64 `[slices, height, width]`.
    """
    scan = SCANS[number]
    rows, columns = np.ogrid[-1 : 1 : FORM.height * 1j, -1 : 1 : scan.width * 1j]
    kspace = np.empty((len(images), FORM.height, scan.width), np.complex64)
    for k, image in enumerate(images):
        numbers = _normals([number, k], 6 + 2 * FORM.height * scan.width)
        a, b, c, d, e, f = _PHASE * numbers[:6]
        phase = 2 * a + b * rows + c * columns + d * rows * columns + e * rows**2 + f * columns**2
        noise = numbers[6:].reshape(2, FORM.height, scan.width)
        seen = _padded(_as_of_another_head(image, scan, number), scan.width)
        signal = seen * np.exp(1j * phase) + _NOISE * (noise[0] + 1j * noise[1])
        shifted = np.fft.fft2(np.fft.ifftshift(_SCALE * signal), norm="ortho")
        kspace[k] = np.fft.fftshift(shifted)
    return kspace


def image_of(kspace: np.ndarray) -> np.ndarray:
    """The images of all measurements, float32 `[slices, size, size]`."""
    axes = (1, 2)
    inverse = np.fft.ifft2(np.fft.ifftshift(kspace, axes=axes), axes=axes, norm="ortho")
    images = np.abs(np.fft.fftshift(inverse, axes=axes))
    top, left = ((length - FORM.size) // 2 for length in images.shape[1:])
    return images[:, top : top + FORM.size, left : left + FORM.size].astype(np.float32)


def write_volumes(source_dir: Path, folder: Path) -> None:
    """Writes the sample as the benchmark's set-up lays out fastMRI: folders of HDF5 files."""
    import h5py

    for split in (TRAIN, HELD_OUT):
        (folder / upstream(split)).mkdir(parents=True)
    images = read_slices(source_dir)
    for number, scan in enumerate(SCANS):
        kspace = measured(images[scan.slab], number)
        targets = image_of(kspace)
        with h5py.File(folder / upstream(scan.split) / f"{scan.name}.h5", "w") as file:
            file["kspace"] = kspace
            file["reconstruction_esc"] = targets
            file.attrs["max"] = float(targets.max())


def _as_of_another_head(image: np.ndarray, scan: Scan, number: int) -> np.ndarray:
    """A slice of a training slab turned, stretched and lit as the scan has it; else as it is."""
    if scan.split == HELD_OUT:
        return image
    angle, *stretch, light_y, light_x = _normals([number], 7)
    turn = np.array([[np.cos(t := 0.12 * angle), -np.sin(t)], [np.sin(t), np.cos(t)]])
    stretched = turn @ (np.eye(2) + 0.07 * np.reshape(stretch, (2, 2)))
    if scan.mirrored:
        image = image[:, ::-1]
    centre = (np.array(SHAPE) - 1) / 2
    grid = np.moveaxis(np.indices(SHAPE), 0, -1) - centre
    moved = _interpolated(image.astype(float), grid @ stretched.T + centre)
    y, x = np.moveaxis(grid / centre, -1, 0)
    return moved * np.exp(0.15 * (light_y * y + light_x * x))


def _interpolated(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """An image's values at places between its pixels, 0 outside; linear in both directions."""
    padded = np.pad(image, 1)
    places = np.clip(places + 1, 0, np.array(padded.shape) - 1.001)
    (i, j), (u, v) = (np.moveaxis(x, -1, 0) for x in (places.astype(int), places % 1))
    above = padded[i, j] * (1 - v) + padded[i, j + 1] * v
    below = padded[i + 1, j] * (1 - v) + padded[i + 1, j + 1] * v
    return above * (1 - u) + below * u


def _padded(image: np.ndarray, width: int) -> np.ndarray:
    above, left = (FORM.height - SHAPE[0]) // 2, (width - SHAPE[1]) // 2
    return np.pad(
        image.astype(float),
        ((above, FORM.height - SHAPE[0] - above), (left, width - SHAPE[1] - left)),
    )


def _normals(seed: list[int], count: int) -> np.ndarray:
    """Normal numbers by the formula of Box and Muller, the same for all releases of NumPy."""
    u, v = (random_words(seed, 0, 2 * count) >> np.uint64(11)).reshape(2, count) * 2.0**-53
    return np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * v)


def _expand(source_dir: Path, destination: Path) -> None:
    # It opens what it has made, and whoever opens data knows the sample.
    from workloads.fastmri.prepare import prepare

    quietly = functools.partial(prepare, report=lambda line: None, scans=FORM)
    prepared_in(destination, functools.partial(write_volumes, source_dir), quietly)
