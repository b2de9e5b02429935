"""Preparation from small volumes in the form of upstream's."""

import dataclasses
import shutil
import tarfile

import numpy as np
import pytest
from scan_files import SCANS, VOLUMES, expected_slice, volume, write_sets

from algoperf_jax.errors import DataError
from workloads.fastmri.files import FASTMRI
from workloads.fastmri.philox import fold
from workloads.fastmri.prepare import prepare
from workloads.fastmri.scans import open_scans
from workloads.fastmri.slices import mask


def run(data_dir, raw, lines=None, **options):
    report = (lambda _: None) if lines is None else lines.append
    return prepare(data_dir, raw, **{"scans": SCANS, "report": report} | options)


def slices_of(split, names):
    """Measurements, images and largest values of some volumes' slices, one after the other."""
    for name in names:
        kspace, targets, largest = volume(name)
        for k, image in zip(kspace, targets, strict=True):
            yield k, image, 0 if name == "file1000001" else np.float32(largest)


@pytest.fixture
def raw(tmp_path):
    """A folder with both sets, that may be changed."""
    return write_sets(tmp_path / "raw")


@pytest.fixture
def copy(data_dir, tmp_path):
    """A data directory like the prepared one, that may be changed."""
    shutil.copytree(data_dir / "fastmri", tmp_path / "data" / "fastmri")
    return tmp_path / "data"


def assert_slice(found, i, expected):
    for array, value in zip(found, expected, strict=True):
        np.testing.assert_allclose(array[i], value, rtol=3e-6, atol=3e-6 if np.ndim(value) else 0)


def test_held_out_slices_are_those_of_the_files(data):
    """Processed from the measurements, by formulas of their own, in double precision."""
    assert {split: len(slices) for split, slices in data.held_out.items()} == {
        "validation": 5,
        "test": 3,
    }
    names = sorted(VOLUMES["val"])
    for split, volumes in (("validation", names[:2]), ("test", names[2:])):
        slices = data.held_out[split]
        found, largest = slices.slices(np.arange(len(slices)))
        for i, (kspace, image, maximum) in enumerate(slices_of("val", volumes)):
            measured = mask(kspace.shape[1], (0, 0))
            assert_slice(found, i, expected_slice(kspace, image, measured))
            assert largest[i] == maximum


def test_training_slices_are_those_of_the_files(data):
    assert len(data.train) == 9
    found, largest = data.train.slices(np.arange(9), (7, 1))
    for i, (kspace, image, maximum) in enumerate(slices_of("train", sorted(VOLUMES["train"]))):
        measured = mask(kspace.shape[1], fold((7, 1), i))
        assert_slice(found, i, expected_slice(kspace, image, measured))
        assert largest[i] == maximum


def test_archives_give_the_same_slices_whatever_their_order(data, raw, tmp_path):
    packed = tmp_path / "packed"
    packed.mkdir()
    for split, names in VOLUMES.items():
        folder = raw / f"knee_singlecoil_{split}"
        with tarfile.open(packed / f"knee_singlecoil_{split}.tar.xz", "w:xz") as archive:
            for name in names:  # not sorted
                archive.add(folder / f"{name}.h5", f"singlecoil_{split}/{name}.h5")
    run(tmp_path, packed)
    found = open_scans(tmp_path, tmp_path, SCANS)
    for a, b in zip(
        found.train.slices(np.arange(9), (1, 2)),
        data.train.slices(np.arange(9), (1, 2)),
        strict=True,
    ):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)
    every = np.arange(5)
    for x, y in zip(
        found.held_out["validation"].slices(every)[0],
        data.held_out["validation"].slices(every)[0],
        strict=True,
    ):
        np.testing.assert_array_equal(x, y)


def test_files_may_lie_where_the_arrays_go(tmp_path):
    write_sets(tmp_path / "fastmri")
    assert run(tmp_path, tmp_path / "fastmri") == tmp_path / "fastmri"
    open_scans(tmp_path, tmp_path, SCANS)


def test_sets_that_are_there_stay(copy, raw):
    folder = copy / "fastmri"
    shutil.rmtree(folder / "knee_singlecoil_train.arrays")
    reported = []
    run(copy, raw, reported)
    assert f"{folder / 'knee_singlecoil_val.arrays'} is there already" in reported
    assert reported[-1] == f"{folder / 'knee_singlecoil_train.arrays'} is ready"
    run(copy, None)  # everything is there


def test_without_files_the_source_is_named(tmp_path):
    with pytest.raises(DataError, match=r"register at https://fastmri.* knee_singlecoil_train"):
        run(tmp_path, None)


def test_a_bad_file_is_named_and_nothing_is_left(raw, tmp_path):
    path = raw / "knee_singlecoil_train" / "file1000001.h5"
    path.write_bytes(path.read_bytes()[:1_000])
    with pytest.raises(DataError, match=r"file1000001\.h5 is no HDF5 file or is cut off"):
        run(tmp_path, raw)
    assert [p.name for p in (tmp_path / "fastmri").iterdir()] == ["knee_singlecoil_val.arrays"]


def test_a_missing_volume_is_noticed(raw, tmp_path):
    (raw / "knee_singlecoil_train" / "file1000001.h5").unlink()
    told = r"knee_singlecoil_train has 2 files that end in \.h5, there should be 3"
    with pytest.raises(DataError, match=told):
        run(tmp_path, raw)


def test_an_archive_that_lacks_a_volume_is_noticed(raw, tmp_path):
    shutil.copytree(raw / "knee_singlecoil_val", tmp_path / "some" / "knee_singlecoil_val")
    with tarfile.open(tmp_path / "some" / "knee_singlecoil_train.tar.xz", "w:xz") as archive:
        for name in ("file1000000", "file1000002"):
            path = raw / "knee_singlecoil_train" / f"{name}.h5"
            archive.add(path, f"singlecoil_train/{name}.h5")
    told = rf"{tmp_path}/fastmri/knee_singlecoil_train\.arrays has 7 examples, there should be 9; "
    with pytest.raises(DataError, match=told + r"replace .*train\.tar\.xz and run it again"):
        run(tmp_path, tmp_path / "some")


def test_another_border_between_validation_and_test_is_noticed(copy, tmp_path):
    other = dataclasses.replace(SCANS, validation_slices=4, test_slices=4)
    with pytest.raises(DataError, match="the first 2 volumes have 5 slices, there should be 4"):
        open_scans(copy, tmp_path, other)


def test_files_that_have_changed_since_are_noticed(raw, tmp_path):
    run(tmp_path, raw)
    path = raw / "knee_singlecoil_val" / "file1000010.h5"
    path.write_bytes(path.read_bytes() + b"0")
    with pytest.raises(DataError, match=r"file1000010\.h5 has changed since"):
        open_scans(tmp_path, tmp_path, SCANS)
    path.unlink()  # files may go when they have served
    open_scans(tmp_path, tmp_path, SCANS)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "targets").write_bytes(b"1234"), "targets has 4 bytes, there should be"),
        (lambda f: (f / "rows").unlink(), r"rows is missing; remove .*prepare_data\.py fastmri"),
        (lambda f: (f / "facts.json").unlink(), r"has no facts\.json; remove"),
        (lambda f: shutil.rmtree(f), r"train\.arrays does not exist; prepare it with: python"),
    ],
)
def test_damaged_sets_are_refused(copy, tmp_path, damage, message):
    damage(copy / "fastmri" / "knee_singlecoil_train.arrays")
    with pytest.raises(DataError, match=message):
        open_scans(copy, tmp_path, SCANS)


def test_the_benchmark_s_sets_have_its_slices():
    assert FASTMRI.examples == {
        "train": 34_742,
        "eval_train": 3_584,
        "validation": 3_554,
        "test": 3_581,
    }
    assert FASTMRI.stored.examples == {"train": 34_742, "val": 7_135}
    assert FASTMRI.volumes == {"train": 973, "val": 199}
