"""Text files: which belong to a day, and their lines by blocks."""

import gzip

import pytest
from click_logs import LOGS, lines_of_day, write_days, write_shards

from algoperf_jax.errors import DataError
from workloads.criteo1tb.raw import blocks, text_files
from workloads.criteo1tb.text import MARGIN


def lines_in(path, block_bytes):
    """The lines of a file as its blocks have them, the first of each block numbered right."""
    lines = []
    for block in blocks(path, block_bytes):
        assert block.path == path
        assert block.first_line == len(lines) + 1
        assert block.text[:MARGIN] == block.text[-MARGIN:] == bytes(MARGIN)
        text = block.text[MARGIN:-MARGIN].decode()
        assert text.endswith("\n")
        lines += text.splitlines()
    return lines


@pytest.mark.parametrize("packed", [False, True])
def test_shards_of_a_day_come_in_their_order(tmp_path, packed):
    write_shards(tmp_path / "raw", packed=packed)
    for day in range(len(LOGS.lines)):
        paths, are_shards = text_files(tmp_path / "raw", day)
        assert are_shards
        assert [line for p in paths for line in lines_in(p, 1_000)] == lines_of_day(day)


@pytest.mark.parametrize("name", ["day_1.gz", "day_1.csv", "day_1"])
def test_a_day_may_be_one_file(tmp_path, name):
    content = (write_days(tmp_path / "raw") / "day_1.gz").read_bytes()
    (tmp_path / name).write_bytes(content if name.endswith("gz") else gzip.decompress(content))
    (path,), are_shards = text_files(tmp_path, 1)
    assert path == tmp_path / name and not are_shards
    assert lines_in(path, 1 << 20) == lines_of_day(1)


@pytest.mark.parametrize("block_bytes", [1, 100, 251, 4_096])
def test_blocks_of_any_size_have_all_lines(tmp_path, block_bytes):
    path = tmp_path / "day_0_00"
    for end in ("", "\n"):
        path.write_text("\n".join(lines_of_day(0)) + end)
        assert lines_in(path, block_bytes) == lines_of_day(0)


def test_a_shard_in_the_middle_that_is_missing_is_named(tmp_path):
    folder = write_shards(tmp_path / "raw")
    (folder / "day_1_01").unlink()
    with pytest.raises(DataError, match=r"day_1_01 is missing, and there is day_1_02"):
        text_files(folder, 1)


def test_one_shard_in_two_forms_is_refused(tmp_path):
    folder = write_shards(tmp_path / "raw")
    (folder / "day_1_01.gz").touch()
    with pytest.raises(DataError, match=r"day_1_01.* are the same shard"):
        text_files(folder, 1)


def test_a_day_without_files_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no lines of day 5: neither day_5_00 nor day_5\.gz"):
        text_files(tmp_path, 5)
    with pytest.raises(DataError, match="is not a folder"):
        text_files(tmp_path / "nowhere", 5)


@pytest.mark.parametrize("name", ["day_0", "day_0.gz"])
def test_an_empty_file_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
    with pytest.raises(DataError, match=f"{name} is empty"):
        list(blocks(path))


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    path = write_days(tmp_path / "raw") / "day_3.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"day_3\.gz, after line [\d,]+: cannot be read"):
        list(blocks(path, 1_000))
    path.write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"day_3\.gz, after line 0: cannot be read \(Not a gzipped"):
        list(blocks(path))
