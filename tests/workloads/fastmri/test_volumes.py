"""Volumes in HDF5 files: what is read, and what is refused."""

import tarfile

import h5py
import numpy as np
import pytest
from scan_files import SCANS, VOLUMES, WITHOUT_MAXIMUM, volume, write_sets, write_volume

from algoperf_jax.errors import DataError
from workloads.fastmri.volumes import VolumeFile, read_volume, source_of, volume_files


def read(path):
    return read_volume(VolumeFile(path.stem, str(path), path), SCANS)


@pytest.fixture
def path(tmp_path):
    write_volume(tmp_path / "file1000000.h5", "file1000000")
    return tmp_path / "file1000000.h5"


def replaced(path, name, content):
    with h5py.File(path, "a") as file:
        del file[name]
        if content is not None:
            file[name] = content


def test_volumes_are_read_as_they_were_written(path):
    found = read(path)
    kspace, targets, largest = volume("file1000000")
    np.testing.assert_array_equal(found.kspace, kspace)
    np.testing.assert_array_equal(found.targets, targets)
    assert (found.name, found.largest) == ("file1000000", largest)


def test_a_missing_maximum_is_zero(tmp_path):
    write_volume(tmp_path / "a.h5", WITHOUT_MAXIMUM)
    assert read(tmp_path / "a.h5").largest == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, "abc", [1.0, 2.0]])
def test_a_maximum_that_cannot_be_is_refused(path, value):
    with h5py.File(path, "a") as file:
        file.attrs["max"] = value
    with pytest.raises(DataError, match=r"file1000000\.h5: its attribute 'max' is .* from 0 on"):
        read(path)


def test_folders_and_archives_have_the_same_volumes(tmp_path):
    raw = write_sets(tmp_path / "raw")
    folder = source_of(raw, "train")
    names = [file.name for file in volume_files(folder)]
    assert names == sorted(VOLUMES["train"])
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "knee_singlecoil_train.tar.xz", "w:xz") as archive:
        archive.add(folder, "singlecoil_train")
    packed = list(volume_files(source_of(tmp_path / "packed", "train")))
    assert sorted(file.name for file in packed) == names
    for file in packed:
        np.testing.assert_array_equal(read_volume(file, SCANS).kspace, volume(file.name)[0])
    assert "train.tar.xz, singlecoil_train/file100000" in packed[0].where


def test_missing_sets_are_named(tmp_path):
    with pytest.raises(DataError, match="neither knee_singlecoil_val nor singlecoil_val"):
        source_of(tmp_path, "val")
    (tmp_path / "singlecoil_val").mkdir()
    with pytest.raises(DataError, match=r"has no files that end in \.h5"):
        list(volume_files(source_of(tmp_path, "val")))


def test_a_damaged_archive_is_refused(tmp_path):
    raw = write_sets(tmp_path / "raw")
    path = tmp_path / "knee_singlecoil_val.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        archive.add(source_of(raw, "val"), "singlecoil_val")
    path.write_bytes(path.read_bytes()[:-3_000])
    with pytest.raises(DataError, match=r"val\.tar\.xz is damaged or incomplete"):
        list(volume_files(path))


@pytest.mark.parametrize("name", ["kspace", "reconstruction_esc"])
def test_a_file_without_its_entries_is_refused(path, name):
    replaced(path, name, None)
    with pytest.raises(DataError, match=rf"file1000000\.h5 has no array '{name}', it has .*rss"):
        read(path)
    with h5py.File(path, "a") as file:
        file.create_group(name)
    with pytest.raises(DataError, match=rf"file1000000\.h5 has no array '{name}'"):
        read(path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 15, 24, 19), r"complex64 \[3, 15, 24, 19\], .*\[slices, 24, at least 16\]; .* coils"),
        ((3, 25, 19), r"complex64 \[3, 25, 19\], it should be complex64 \[slices, 24, at least"),
        ((3, 24, 15), r"complex64 \[3, 24, 15\]"),
        ((0, 24, 19), r"complex64 \[0, 24, 19\]"),
    ],
)
def test_measurements_of_another_form_are_refused(path, shape, message):
    replaced(path, "kspace", np.ones(shape, np.complex64))
    with pytest.raises(DataError, match=message):
        read(path)


def test_measurements_that_are_not_complex_are_refused(path):
    replaced(path, "kspace", np.ones((3, 24, 19), np.float32))
    with pytest.raises(DataError, match="'kspace' is float32"):
        read(path)


@pytest.mark.parametrize("shape", [(3, 16, 17), (2, 16, 16)])
def test_images_of_another_form_are_refused(path, shape):
    replaced(path, "reconstruction_esc", np.ones(shape, np.float32))
    with pytest.raises(DataError, match=r"'reconstruction_esc' is float32 .* \[3, 16, 16\]"):
        read(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("kspace", np.nan, "slice 1 of 'kspace' has values that are no numbers"),
        ("kspace", np.inf, "slice 1 of 'kspace' has values that are no numbers"),
        ("reconstruction_esc", np.nan, "slice 1 of 'reconstruction_esc' has values that are no"),
    ],
)
def test_values_that_are_no_numbers_are_refused(path, name, value, message):
    with h5py.File(path, "a") as file:
        file[name][1, 2, 3] = value
    with pytest.raises(DataError, match=rf"file1000000\.h5, {message}"):
        read(path)


def test_a_slice_without_measurements_is_refused(path):
    with h5py.File(path, "a") as file:
        file["kspace"][2] = 0
    with pytest.raises(DataError, match="slice 2 of 'kspace' has no measurements"):
        read(path)


def test_a_file_that_is_cut_off_is_refused(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"file1000000\.h5 is no HDF5 file or is cut off \("):
        read(path)
    path.write_bytes(b"no HDF5")
    with pytest.raises(DataError, match="is no HDF5 file or is cut off"):
        read(path)


def test_a_damaged_slice_is_named(tmp_path):
    """Chunks have checksums here, so that one damaged byte is noticed."""
    kspace, targets, _ = volume("file1000000")
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        chunks = (1, *kspace.shape[1:])
        entry = file.create_dataset("kspace", data=kspace, chunks=chunks, fletcher32=True)
        file["reconstruction_esc"] = targets
        place = entry.id.get_chunk_info(2).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"file\.h5, slice 2 of 'kspace' cannot be read"):
        read(path)
