"""Folders that are made once, whatever gets in the way."""

import concurrent.futures
import errno
import time

import pytest

from algoperf_jax.data.made_once import made_once
from algoperf_jax.errors import DataError


def write_file(folder):
    (folder / "file").write_text("content")


def refuse(folder):
    raise AssertionError(f"{folder} should not have been made")


def test_is_made_in_the_first_folder_and_used_again(tmp_path):
    folders = [tmp_path / "a" / "b", tmp_path / "c"]
    made = made_once("name", folders, write_file)
    assert made == tmp_path / "a" / "b" / "name"
    assert (made / "file").read_text() == "content"
    assert [path.name for path in made.parent.iterdir()] == ["name"]
    assert made_once("name", folders, refuse) == made
    assert not (tmp_path / "c").exists()


def test_is_found_in_a_later_folder(tmp_path):
    made = made_once("name", [tmp_path / "later"], write_file)
    assert made_once("name", [tmp_path / "first", tmp_path / "later"], refuse) == made
    assert made_once("other", [tmp_path / "first"], write_file) == tmp_path / "first" / "other"


def test_is_made_where_it_can_be_written(tmp_path):
    (tmp_path / "file").touch()  # nothing can be made below it
    folders = [tmp_path / "file" / "below", tmp_path / "second"]
    assert made_once("name", folders, write_file) == tmp_path / "second" / "name"
    with pytest.raises(DataError, match="file/below cannot be written to, where name would be"):
        made_once("name", folders[:1], refuse)


def test_others_may_read_what_they_may_read_around_it(tmp_path):
    tmp_path.chmod(0o755)
    assert made_once("name", [tmp_path], write_file).stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("failure", "raised", "message"),
    [
        (DataError("a record is damaged"), DataError, "a record is damaged"),
        (OSError(errno.ENOSPC, "No space left"), DataError, "cannot be written .No space left"),
        (KeyboardInterrupt("stop"), KeyboardInterrupt, "stop"),
    ],
)
def test_nothing_is_left_of_what_failed(tmp_path, failure, raised, message):
    def write(folder):
        write_file(folder)
        raise failure

    with pytest.raises(raised, match=message):
        made_once("name", [tmp_path], write)
    assert list(tmp_path.iterdir()) == []
    assert made_once("name", [tmp_path], write_file) == tmp_path / "name"


def test_leftover_of_a_killed_process_goes(tmp_path):
    (tmp_path / ".name-x1").mkdir()
    write_file(tmp_path / ".name-x1")
    (tmp_path / ".other-x1").mkdir()
    made_once("name", [tmp_path], write_file)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other-x1", "name"]


def test_one_makes_it_and_the_others_wait(tmp_path):
    """Threads that open the folder themselves are to its lock what processes are."""
    makers = []

    def write(folder):
        makers.append(folder)
        time.sleep(0.1)
        write_file(folder)

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: made_once("name", [tmp_path], write), range(4)))
    assert made == [tmp_path / "name"] * 4
    assert len(makers) == 1
