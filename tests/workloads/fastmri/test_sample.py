"""The embedded sample, what it expands to, and its builder."""

import gzip
import hashlib
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
from loaded_modules import loaded

from workloads.fastmri import sample
from workloads.fastmri.files import upstream
from workloads.fastmri.sample import build
from workloads.fastmri.scans import open_scans
from workloads.fastmri.ssim import ssim

FOLDER = Path(sample.__file__).parent


@pytest.fixture(scope="module")
def expanded(tmp_path_factory):
    """The cache folder and the opened sample."""
    cache = tmp_path_factory.mktemp("cache")
    return cache, open_scans(None, cache, sample.FORM)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """The folder with the sample's HDF5 files."""
    folder = tmp_path_factory.mktemp("raw")
    sample.write_volumes(FOLDER, folder)
    return folder


def test_sample_is_small_and_has_a_license():
    assert (FOLDER / sample.SLICES).stat().st_size < 600_000
    assert "Louis Collins" in (FOLDER / "LICENSE").read_text()


def test_readme_names_the_file_by_its_checksum():
    text = (FOLDER / "README.md").read_text()
    content = (FOLDER / sample.SLICES).read_bytes()
    assert hashlib.sha256(content).hexdigest() in text
    assert f"{len(content):,} bytes (`{sample.SLICES}`)" in text


def test_held_out_slabs_are_apart_from_training_slabs():
    heights = {"train": set(), "val": set()}
    for slab in sample.SLABS:
        assert not heights[slab.split] & set(slab.slices)
        heights[slab.split] |= set(slab.slices)
    assert min(abs(a - b) for a in heights["train"] for b in heights["val"]) == 4
    validation, test = [], []
    for scan in (scan for scan in sample.SCANS if scan.split == "val"):
        of = validation if len(validation) < sample.FORM.validation_volumes else test
        of.append(scan.slab)
    assert not set(validation) & set(test)
    assert len({scan.name for scan in sample.SCANS}) == len(sample.SCANS)
    assert [scan.name for scan in sample.SCANS] == sorted(scan.name for scan in sample.SCANS)
    assert {scan.width for scan in sample.SCANS} == {92, 93}


def test_expanded_sample_has_all_slices(expanded):
    cache, data = expanded
    assert len(data.train) == sample.FORM.train_slices == 860
    assert {split: len(slices) for split, slices in data.held_out.items()} == {
        "validation": 20,
        "test": 20,
    }
    (folder,) = cache.iterdir()
    assert {path.name for path in folder.iterdir()} == {
        "knee_singlecoil_train.arrays",
        "knee_singlecoil_val.arrays",
    }


def test_images_of_all_measurements_are_the_slices_with_noise(raw):
    images = sample.read_slices(FOLDER)
    for scan in sample.SCANS:
        if scan.split == "val":
            with h5py.File(raw / upstream("val") / f"{scan.name}.h5") as file:
                assert file["kspace"].shape == (10, 160, scan.width)
                found = file["reconstruction_esc"][:] / 2e-6
                assert file.attrs["max"] == file["reconstruction_esc"][:].max()
            left = (scan.width - 80) // 2 - (scan.width - 90) // 2
            kept = images[scan.slab][:, 14:94, left : left + 80].astype(float)
            assert np.abs(found - kept).mean() < 3  # of 250 grey values
            assert 1 < np.abs(found - kept).std() < 3


def test_measurements_have_phases_and_differ_between_scans(raw):
    """Training slabs look like those of other heads."""
    scans = [scan for scan in sample.SCANS if scan.slab == 0]
    assert len(scans) == 10 and {scan.mirrored for scan in scans} == {False, True}
    images, phases = [], []
    for scan in scans:
        with h5py.File(raw / upstream("train") / f"{scan.name}.h5") as file:
            images.append(file["reconstruction_esc"][0])
            inverse = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(file["kspace"][0])))
            phases.append(np.angle(inverse[80, scan.width // 2]))
    for i in range(1, 10):
        a, b = images[0] / images[0].std(), images[i] / images[i].std()
        assert 0.2 < np.abs(a - b).mean() < 1.2
    assert np.std(phases) > 0.3


def test_images_of_a_quarter_of_the_measurements_are_worse(expanded):
    for slices in expanded[1].held_out.values():
        found, largest = slices.slices(np.arange(20))
        mean, std = found.mean[:, None, None], found.std[:, None, None]
        similarity = ssim(found.inputs * std + mean, found.targets * std + mean, largest).mean()
        assert 0.4 < similarity < 0.65
        assert f"{similarity:.2f}" in (FOLDER / "README.md").read_text()


def test_opening_loads_no_other_library(expanded):
    program = (
        "import sys; from pathlib import Path; import workloads;"
        "workload = workloads.get('fastmri');"
        "data = workload.open_data(None, Path(sys.argv[1]));"
        "from algoperf_jax.data.batch_share import BatchShare;"
        "next(workload.dataset('train', data, BatchShare.whole(8), seed=0))"
    )
    assert not {"tensorflow", "h5py", "scipy", "polars"} & loaded(program, expanded[0])


def write_nifti(path, head, code=2):
    header = bytearray(352)
    header[40:56] = struct.pack("<8h", 3, *head.shape[::-1], 1, 1, 1, 1)
    header[70:74] = struct.pack("<2h", code, 8)
    header[108:112] = struct.pack("<f", 352)
    path.write_bytes(gzip.compress(bytes(header) + head.tobytes()))


def test_builder_averages_pixels_of_the_slabs(tmp_path):
    head = np.random.default_rng(0).integers(0, 255, (181, 217, 181), np.uint8)
    path = tmp_path / "ch2.nii.gz"
    write_nifti(path, head)
    np.testing.assert_array_equal(build.read_head(path), head)
    slices = build.slices_of(head)
    assert (slices.shape, slices.dtype) == ((126, 108, 90), "uint8")
    z = sample.SLABS[0].slices[3]
    assert abs(int(slices[3, 5, 7]) - head[z, [206, 205], 14:16].mean()) <= 0.5
    write_nifti(path, head, code=4)
    with pytest.raises(ValueError, match="expected bytes"):
        build.read_head(path)
