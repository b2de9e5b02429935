"""Metadata beside a submission: each rule with what is said about a breach."""

import pytest

from algoperf_jax.check.metadata import SubmissionMetadata, load, metadata_path, parse
from algoperf_jax.errors import UserError
from algoperf_jax.files import write_json

GOOD = {
    "name": "Schedule-free AdamW",
    "organisations": ["University of Somewhere", "Elsewhere Ltd"],
    "authors": ["A. Author"],
    "description": "AdamW without a schedule.",
    "framework": "jax",
    "prize_eligible": True,
    "rule_set": "external",
}


def test_good_metadata_are_read_from_beside_the_submission(tmp_path):
    path = metadata_path(tmp_path / "mine.py")
    assert path == tmp_path / "mine.json"
    write_json(path, GOOD)
    assert load(path) == SubmissionMetadata(
        "Schedule-free AdamW",
        ("University of Somewhere", "Elsewhere Ltd"),
        ("A. Author",),
        "AdamW without a schedule.",
        "jax",
        True,
        "external",
    )


def test_a_missing_file_is_an_error_that_lists_the_keys(tmp_path):
    with pytest.raises(UserError, match=r"no .*mine\.json; it has to hold .* name, organisations"):
        load(tmp_path / "mine.json")


def test_a_file_that_is_not_json_is_an_error_that_names_it(tmp_path):
    (tmp_path / "mine.json").write_text("name: mine")
    with pytest.raises(UserError, match=r"mine\.json is not valid JSON"):
        load(tmp_path / "mine.json")


@pytest.mark.parametrize("key", GOOD)
def test_every_key_is_required(key):
    data = {k: v for k, v in GOOD.items() if k != key}
    with pytest.raises(UserError, match=f"'{key}' is missing; the keys are name, organisations"):
        parse(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prize": 1}, "unknown key 'prize'; the keys are name,"),
        ({"name": ""}, 'name: expected a text that is not empty, found ""'),
        ({"name": 3}, "name: expected a text that is not empty, found 3"),
        ({"description": "  "}, "description: expected a text that is not empty"),
        ({"authors": "A. Author"}, r'authors: expected a list of names such as \["A. Author"\]'),
        ({"authors": []}, r"authors: expected a list of names .*, found \[\]"),
        ({"organisations": [""]}, "organisations: expected a list of names"),
        ({"organisations": [1]}, "organisations: expected a list of names"),
        ({"framework": "pytorch"}, 'framework: expected "jax", found "pytorch"'),
        ({"rule_set": "v0.5"}, 'rule_set: expected "external" or "self", found "v0.5"'),
        ({"prize_eligible": "yes"}, 'prize_eligible: expected true or false, found "yes"'),
        ({"prize_eligible": 1}, "prize_eligible: expected true or false, found 1"),
    ],
)
def test_a_wrong_value_is_an_error_with_the_values_allowed(change, message):
    with pytest.raises(UserError, match=message):
        parse({**GOOD, **change})


def test_something_else_than_an_object_is_refused():
    with pytest.raises(UserError, match=r"expected a JSON object with name, .*, found \[\]"):
        parse([])
