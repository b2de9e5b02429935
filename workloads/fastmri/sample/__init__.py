"""The embedded sample of the fastMRI workload; `README.md` says what it is."""

import lzma
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from algoperf_jax.data.order import random_words
from algoperf_jax.data.sample import expanded_sample
from workloads.fastmri.files import HELD_OUT, TRAIN, Scans, upstream

SLICES = "slices.xz"

SHAPE = (108, 90)
"""Rows and columns of the embedded images, of 2 mm each."""

_LOWEST, _THICK, _SLABS = 15, 10, 15  # in slices of 1 mm
_VALIDATION, _TEST = (2, 8), (5, 11)
_GAP = 3  # slices of training slabs next to one that is held out are left out


class Slab(NamedTuple):
    """Neighbouring slices, which make a volume.

    Attributes:
      split: "train" or "val".
      name: of the volume.
      slices: their heights, in millimetres.
      width: columns of the measurements.
    """

    split: str
    name: str
    slices: range
    width: int


def _slabs() -> list[Slab]:
    held_out = (*_VALIDATION, *_TEST)
    training = [slab for slab in range(_SLABS) if slab not in held_out]
    slabs = []
    for number, slab in enumerate((*training, *held_out)):
        first, last = slab * _THICK, (slab + 1) * _THICK
        if slab in training:
            first += _GAP * (slab - 1 in held_out)
            last -= _GAP * (slab + 1 in held_out)
        split = TRAIN if slab in training else HELD_OUT
        slices = range(_LOWEST + first, _LOWEST + last)
        slabs.append(Slab(split, f"file{1_000_000 + number}", slices, 92 + number % 2))
    return slabs


SLABS = _slabs()
"""In the order in which the file holds their slices; held-out ones begin with those for
validation."""

SCANS = Scans(
    height=160,
    size=80,
    train_slices=sum(len(slab.slices) for slab in SLABS if slab.split == TRAIN),
    validation_volumes=len(_VALIDATION),
    validation_slices=_THICK * len(_VALIDATION),
    test_slices=_THICK * len(_TEST),
    eval_train_slices=20,
)

_SCALE = 2e-6  # of a grey value; images are about as dark as those of the knees
_NOISE = 4.0  # standard deviation, in grey values
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


def measured(images: np.ndarray, slab: int) -> np.ndarray:
    """The measurements that one coil would make of images, complex64 `[slices, height, width]`.

    Each has a smooth phase of its own, and noise.
    """
    width = SLABS[slab].width
    rows, columns = np.ogrid[-1 : 1 : SCANS.height * 1j, -1 : 1 : width * 1j]
    kspace = np.empty((len(images), SCANS.height, width), np.complex64)
    for k, image in enumerate(images):
        numbers = _normals([slab, k], 6 + 2 * SCANS.height * width)
        a, b, c, d, e, f = numbers[:6]
        phase = 2 * a + b * rows + c * columns + d * rows * columns + e * rows**2 + f * columns**2
        noise = numbers[6:].reshape(2, SCANS.height, width)
        padded = _padded(image, width) * np.exp(1j * phase) + _NOISE * (noise[0] + 1j * noise[1])
        shifted = np.fft.fft2(np.fft.ifftshift(_SCALE * padded), norm="ortho")
        kspace[k] = np.fft.fftshift(shifted)
    return kspace


def image_of(kspace: np.ndarray) -> np.ndarray:
    """The images of all measurements, float32 `[slices, size, size]`."""
    axes = (1, 2)
    inverse = np.fft.ifft2(np.fft.ifftshift(kspace, axes=axes), axes=axes, norm="ortho")
    images = np.abs(np.fft.fftshift(inverse, axes=axes))
    top, left = ((length - SCANS.size) // 2 for length in images.shape[1:])
    return images[:, top : top + SCANS.size, left : left + SCANS.size].astype(np.float32)


def write_volumes(source_dir: Path, folder: Path) -> None:
    """Writes the sample as the benchmark's set-up lays out fastMRI: folders of HDF5 files."""
    import h5py

    for split in (TRAIN, HELD_OUT):
        (folder / upstream(split)).mkdir(parents=True)
    for number, (slab, images) in enumerate(zip(SLABS, read_slices(source_dir), strict=True)):
        kspace = measured(images, number)
        targets = image_of(kspace)
        with h5py.File(folder / upstream(slab.split) / f"{slab.name}.h5", "w") as file:
            file["kspace"] = kspace
            file["reconstruction_esc"] = targets
            file.attrs["max"] = float(targets.max())


def _padded(image: np.ndarray, width: int) -> np.ndarray:
    above, left = (SCANS.height - SHAPE[0]) // 2, (width - SHAPE[1]) // 2
    return np.pad(
        image.astype(float),
        ((above, SCANS.height - SHAPE[0] - above), (left, width - SHAPE[1] - left)),
    )


def _normals(seed: list[int], count: int) -> np.ndarray:
    """Normal numbers by the formula of Box and Muller, the same for all releases of NumPy."""
    u, v = (random_words(seed, 0, 2 * count) >> np.uint64(11)).reshape(2, count) * 2.0**-53
    return np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * v)


def _expand(source_dir: Path, destination: Path) -> None:
    # It opens what it has made, and whoever opens data knows the sample.
    from workloads.fastmri.prepare import prepare

    raw = destination / "raw"
    write_volumes(source_dir, raw)
    made = prepare(destination, raw, report=lambda line: None, scans=SCANS)
    shutil.rmtree(raw)
    for path in made.iterdir():  # from its folder within `destination`
        path.rename(destination / path.name)
    made.rmdir()
