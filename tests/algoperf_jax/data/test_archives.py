"""Archives that are whole, damaged, others than expected, or malicious."""

import io
import tarfile
import zipfile

import numpy as np
import pytest

from algoperf_jax.data.archives import tar_members, unpack_tar, unpack_tar_members, unpack_zip
from algoperf_jax.errors import DataError


def write_tar(path, names, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 2
            archive.addfile(member, io.BytesIO(b"hi"))
    return path


def write_zip(path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_tar_is_unpacked_whether_compressed_or_not(tmp_path, mode):
    unpack_tar(write_tar(tmp_path / "a.tar", ["x/1", "2"], mode), tmp_path / "out")
    assert (tmp_path / "out" / "x" / "1").read_bytes() == b"hi"
    assert (tmp_path / "out" / "2").exists()


@pytest.mark.parametrize("name", ["../outside", "x/../../outside"])
def test_member_that_would_land_outside_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="outside"):
        unpack_tar(write_tar(tmp_path / "a.tar", [name]), tmp_path / "out")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("unpack", [unpack_tar, lambda a, out: tar_members(a)])
def test_damaged_tar_is_named(tmp_path, unpack):
    path = write_tar(tmp_path / "a.tar", ["1", "2"])
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataError, match=r"a\.tar is not a tar file or is incomplete .*replace it"):
        unpack(path, tmp_path / "out")


def test_named_files_of_a_zip_are_unpacked_and_no_others(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ["top/x/1", "top/2", "top/3"])
    unpack_zip(archive, tmp_path / "out", ["x/1", "2"], within="top/")
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*"))
    assert found == ["2", "x", "x/1"]
    assert (tmp_path / "out" / "x" / "1").read_text() == "top/x/1"


def test_zip_without_a_file_damaged_or_missing_is_named(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ["1"])
    with pytest.raises(DataError, match=r"a\.zip is another archive than expected.*'2'"):
        unpack_zip(archive, tmp_path / "out", ["2"])
    archive.write_bytes(b"hello")
    with pytest.raises(DataError, match=r"a\.zip is damaged or not a zip file"):
        unpack_zip(archive, tmp_path / "out", ["1"])
    with pytest.raises(DataError, match=r"none\.zip does not exist"):
        unpack_zip(tmp_path / "none.zip", tmp_path / "out", ["1"])


WANTED = ("texts/a.de", "texts/a.en")


def packed(path, contents):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_only_the_members_asked_for_are_unpacked(tmp_path):
    contents = {
        "./texts/a.fr": b"non",
        "./texts/a.de": b"ja",
        "texts/a.en": b"yes",
        "../texts/a.de": b"elsewhere",
    }
    packed(tmp_path / "archive.tgz", contents)
    unpack_tar_members(tmp_path / "archive.tgz", tmp_path / "to", WANTED)
    found = {str(p.relative_to(tmp_path / "to")): p for p in (tmp_path / "to").rglob("*.*")}
    assert {name: path.read_bytes() for name, path in found.items()} == {
        "texts/a.de": b"ja",
        "texts/a.en": b"yes",
    }


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("other", "archive.tgz is another archive than expected: it has no texts/a.en"),
        ("text", "archive.tgz is not a tar file or is incomplete"),
        ("cut", "archive.tgz is not a tar file or is incomplete"),
        ("missing", "archive.tgz is not a tar file .*No such file"),
    ],
)
def test_tar_file_of_something_else_is_refused(tmp_path, damage, message):
    path = tmp_path / "archive.tgz"
    noise = np.random.default_rng(0).bytes(50_000)
    packed(path, {"texts/a.de": noise, "texts/b.en" if damage == "other" else "texts/a.en": noise})
    if damage == "text":
        path.write_text("hello")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:70_000])
    elif damage == "missing":
        path.unlink()
    with pytest.raises(DataError, match=message):
        unpack_tar_members(path, tmp_path / "to", WANTED)
