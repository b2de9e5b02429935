"""Folders of arrays: written in parts, opened whole, refused where something is missing."""

import json
from pathlib import Path

import numpy as np
import pytest

from algoperf_jax.data.array_folder import ArrayFolder, Items, open_arrays, signatures, write_arrays
from algoperf_jax.errors import DataError

FORMS = {"pairs": Items("<i4", (2,)), "numbers": Items("<f4")}


def parts():
    """Seven pairs and five numbers in three parts, one of them without numbers."""
    pairs, numbers = np.arange(14).reshape(7, 2), np.arange(5) / 2
    yield {"pairs": pairs[:3], "numbers": numbers[:1]}
    yield {"pairs": pairs[3:4]}
    yield {"pairs": pairs[4:], "numbers": numbers[1:]}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "source").write_text("text")
    sources = signatures([tmp_path / "source"])
    write_arrays(tmp_path / "set.arrays", FORMS, parts(), sources, {"names": ["a", "b"]})
    return tmp_path


SET = ArrayFolder(Path("set.arrays"), FORMS, "pairs", {"all": 7})


def test_arrays_come_back_as_they_were_written(root):
    facts, arrays = open_arrays(root / "set.arrays", FORMS, "")
    np.testing.assert_array_equal(arrays["pairs"], np.arange(14).reshape(7, 2))
    np.testing.assert_array_equal(arrays["numbers"], np.arange(5) / 2)
    assert (arrays["pairs"].dtype, arrays["numbers"].dtype) == ("int32", "float32")
    assert (facts.items, facts.more) == ({"pairs": 7, "numbers": 5}, {"names": ["a", "b"]})
    with pytest.raises(ValueError, match="read-only"):
        arrays["pairs"][0] = 1


def test_arrays_of_nothing_can_be_opened(tmp_path):
    write_arrays(tmp_path / "set", FORMS, [], {})
    _, arrays = open_arrays(tmp_path / "set", FORMS, "")
    assert {name: array.shape for name, array in arrays.items()} == {
        "pairs": (0, 2),
        "numbers": (0,),
    }


def test_items_of_another_shape_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"pairs: items of \(2,\), got \(3,\)"):
        write_arrays(tmp_path / "set", FORMS, [{"pairs": np.zeros((1, 3))}], {})


def test_complete_folders_are_there_and_have_their_examples(root):
    assert SET.is_there(root)
    SET.check_examples(root, {"all": 7, "other": 3}, "")
    assert not SET.is_there(root / "elsewhere")


def test_another_number_of_examples_is_refused(root):
    with pytest.raises(DataError, match=r"set\.arrays has 7 examples, there should be 8; do this"):
        SET.check_examples(root, {"all": 8}, "do this")


def test_sources_that_have_changed_are_refused_and_those_that_are_gone_are_not(root):
    (root / "source").write_text("another")
    with pytest.raises(DataError, match=r"source has changed .* it has 7 bytes, it had 4; do this"):
        SET.check_examples(root, {}, "do this")
    (root / "source").write_text("same")  # as long as before
    with pytest.raises(DataError, match=r"it is of \d{4}-.*, it was of .*; do this, or move"):
        SET.check_examples(root, {}, "do this")
    (root / "source").unlink()
    SET.check_examples(root, {}, "do this")


def test_folders_without_facts_are_refused(root):
    (root / "set.arrays" / "facts.json").unlink()
    with pytest.raises(DataError, match=r"has no facts\.json; remove .* and run the command again"):
        SET.is_there(root)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"items": {"pairs": 7}}'])
def test_damaged_facts_are_refused(root, content):
    (root / "set.arrays" / "facts.json").write_text(content)
    with pytest.raises(DataError, match=r"facts\.json is missing or damaged .*; do this"):
        open_arrays(root / "set.arrays", FORMS, "do this")


def test_files_that_are_missing_or_cut_off_are_refused(root):
    path = root / "set.arrays" / "pairs"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="pairs has 55 bytes, there should be 56; do this"):
        open_arrays(root / "set.arrays", FORMS, "do this")
    path.unlink()
    with pytest.raises(DataError, match="pairs is missing; do this"):
        open_arrays(root / "set.arrays", FORMS, "do this")


def test_facts_are_plain_json(root):
    content = json.loads((root / "set.arrays" / "facts.json").read_text())
    assert content.keys() == {"items", "sources", "more"}
