"""Small volumes in the form of fastMRI's, and what becomes of their slices, in double precision."""

from pathlib import Path

import h5py
import numpy as np

from workloads.fastmri.files import Scans, upstream

SCANS = Scans(
    height=24,
    size=16,
    train_volumes=3,
    train_slices=9,
    held_out_volumes=3,
    validation_volumes=2,
    validation_slices=5,
    test_slices=3,
    eval_train_slices=4,
)

VOLUMES = {
    "train": {"file1000002": (4, 18), "file1000000": (3, 19), "file1000001": (2, 18)},
    "val": {"file1000011": (2, 18), "file1000010": (3, 19), "file1000012": (3, 16)},
}
"""By set and name the slices and columns of each volume."""

WITHOUT_MAXIMUM = "file1000001"


def volume(name: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Measurements, images and the largest value; the same whenever it is called."""
    slices, width = next(of[name] for of in VOLUMES.values() if name in of)
    random = np.random.default_rng(int(name[4:]))
    shape = (slices, SCANS.height, width)
    kspace = 1e-4 * (random.normal(size=shape) + 1j * random.normal(size=shape))
    targets = 1e-4 * random.random((slices, SCANS.size, SCANS.size))
    targets = targets.astype(np.float32)
    return kspace.astype(np.complex64), targets, float(targets.max())


def write_volume(path: Path, name: str) -> None:
    """Writes a volume's file."""
    kspace, targets, largest = volume(name)
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        file["reconstruction_esc"] = targets
        file["reconstruction_rss"] = targets  # upstream has more than is used
        file.attrs["norm"] = 1.0
        if name != WITHOUT_MAXIMUM:
            file.attrs["max"] = largest


def write_sets(folder: Path) -> Path:
    """Writes both sets as the reference's set-up lays them out; returns the folder."""
    for split, names in VOLUMES.items():
        (folder / upstream(split)).mkdir(parents=True)
        for name in names:
            write_volume(folder / upstream(split) / f"{name}.h5", name)
    return folder


def expected_slice(kspace: np.ndarray, target: np.ndarray, mask: np.ndarray) -> tuple:
    """Inputs, targets, mean and standard deviation of a slice, by the specification's formulas."""
    size = target.shape[0]
    masked = np.fft.ifftshift(kspace.astype(np.complex128) * mask)
    image = np.fft.fftshift(np.fft.ifft2(masked)) * np.sqrt(kspace.size)
    top, left = (kspace.shape[0] - size) // 2, (kspace.shape[1] - size) // 2
    image = np.abs(image[top : top + size, left : left + size])
    mean, std = image.mean(), np.sqrt(((image - image.mean()) ** 2).mean())
    both = (np.clip((x - mean) / std, -6, 6) for x in (image, target.astype(np.float64)))
    return *both, mean, std
