"""Files that grow by rows: what lies on disk after each call, read back with the csv module."""

import csv

import pytest

from algoperf_jax.trial.row_files import RowFile


def content(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.csv"


def test_new_rows_are_appended_to_the_same_file(path):
    file, rows = RowFile(path), []
    for step in range(4):
        rows.append({"step": step, "loss": step / 3})
        file.write(rows)
        if step == 0:
            first = path.stat().st_ino
        assert content(path) == [{k: str(v) for k, v in row.items()} for row in rows]
    assert path.stat().st_ino == first  # a file that is written anew takes another one's place


def test_a_row_with_a_new_column_makes_the_file_anew(path):
    file = RowFile(path, order=sorted)
    rows = [{"b": 1}, {"b": 2}]
    file.write(rows)
    rows += [{"a": 3}, {"b": 4, "a": 5}]
    file.write(rows)
    assert path.read_text() == "a,b\n,1\n,2\n3,\n5,4\n"
    rows.append({"b": 6})
    file.write(rows)
    assert path.read_text().endswith("5,4\n,6\n")


def test_a_resumed_trial_takes_its_file_back(path):
    RowFile(path).write([{"a": 1}, {"a": 2}, {"a": 3}])
    with open(path, "a") as killed:
        killed.write("4,cut o")
    again = RowFile(path)
    again.write([{"a": 1}])
    assert path.read_text() == "a\n1\n"
    again.write([{"a": 1}, {"a": 7}])
    assert path.read_text() == "a\n1\n7\n"


def test_without_rows_there_is_no_file(path):
    RowFile(path).write([])
    assert not path.exists()


def test_a_start_without_a_checkpoint_takes_the_rows_of_an_earlier_one_away(path):
    RowFile(path).write([{"a": 1}])
    RowFile(path).write([])
    assert not path.exists()
