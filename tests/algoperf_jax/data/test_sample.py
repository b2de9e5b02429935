"""Expansion of embedded samples."""

import concurrent.futures
import threading

import pytest

from algoperf_jax.data.sample import expanded_sample, prepared_in


@pytest.fixture
def source(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("one")
    (source / "not-part-of-it.txt").write_text("anything")
    return source


def expand(source, destination):
    (destination / "copy.txt").write_text((source / "a.txt").read_text())


def expanded(source, cache, *, expand=expand, version="1"):
    return expanded_sample(
        source, ["a.txt"], expand, name="letters", version=version, cache_dir=cache
    )


def test_sample_is_expanded_once(source, tmp_path):
    calls = []

    def counting(*folders):
        calls.append(folders)
        expand(*folders)

    first = expanded(source, tmp_path / "cache", expand=counting)
    second = expanded(source, tmp_path / "cache", expand=counting)
    assert first == second
    assert first.name.startswith("letters-")
    assert (first / "copy.txt").read_text() == "one"
    assert len(calls) == 1


def test_changed_content_or_version_gets_a_folder_of_its_own(source, tmp_path):
    folders = {expanded(source, tmp_path / "cache"), expanded(source, tmp_path / "cache")}
    folders.add(expanded(source, tmp_path / "cache", version="2"))
    (source / "a.txt").write_text("two")
    folders.add(expanded(source, tmp_path / "cache"))
    assert len(folders) == 3
    (source / "not-part-of-it.txt").write_text("changed")
    assert expanded(source, tmp_path / "cache") in folders


def test_failed_expansion_leaves_nothing_behind(source, tmp_path):
    def failing(source, destination):
        expand(source, destination)
        raise RuntimeError("no more room")

    with pytest.raises(RuntimeError, match="no more room"):
        expanded(source, tmp_path / "cache", expand=failing)
    assert list((tmp_path / "cache").iterdir()) == []


def test_two_that_expand_at_the_same_time_get_the_same_whole_folder(source, tmp_path):
    both_are_expanding = threading.Barrier(2, timeout=10)

    def meeting(source, destination):
        expand(source, destination)
        both_are_expanding.wait()

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(expanded, source, tmp_path / "cache", expand=meeting) for _ in "ab"]
    first, second = (run.result() for run in runs)
    assert first == second
    assert (first / "copy.txt").read_text() == "one"
    assert list((tmp_path / "cache").iterdir()) == [first]


def test_what_a_preparation_makes_is_all_that_stays(tmp_path):
    def write_raw(raw):
        raw.mkdir()
        (raw / "a").write_text("text")

    def prepare(data_dir, raw):
        made = data_dir / "letters"
        made.mkdir()
        (made / "folder").mkdir()
        (made / "A").write_text((raw / "a").read_text().upper())
        return made

    prepared_in(tmp_path, write_raw, prepare)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["A", "folder"]
    assert (tmp_path / "A").read_text() == "TEXT"
