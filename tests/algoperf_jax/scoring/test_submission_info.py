"""What submitters say of their submissions."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.scoring.published import FIELDS
from algoperf_jax.scoring.submission_info import SubmissionInfo, infos_beside, infos_for, read_infos


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_a_file_about_one_submission_is_about_the_one_it_is_named_for(tmp_path: Path) -> None:
    content = {
        "name": "My  optimizer",
        "organisations": ["One", "Two"],
        "authors": ["Ann"],
        "description": "a line",
        "framework": "jax",
        "prize_eligible": False,
        "rule_set": "self",
    }
    assert read_infos(write(tmp_path / "mine.json", content)) == [
        SubmissionInfo(
            id="mine",
            name="My optimizer",
            organisations=("One", "Two"),
            authors=("Ann",),
            framework="jax",
            prize_eligible=False,
            description="a line",
            tuning="self",
        )
    ]


def test_synonyms_and_names_with_commas_are_understood(tmp_path: Path) -> None:
    content = {
        "submissions": [
            {
                "submission_folder": "a",
                "submission_name": "A",
                "affiliations": "One, Two",
                "authors": "Ann, Ben",
                "ruleset": "self-tuning",
            },
            {"id": "b", "ruleset": "external", "prize_eligible": None},
        ]
    }
    one, other = read_infos(write(tmp_path / "all.json", content))
    assert (one.id, one.organisations, one.authors) == ("a", ("One", "Two"), ("Ann", "Ben"))
    assert one.tuning == "self"
    assert other == SubmissionInfo("b", "b", tuning="external")


@pytest.mark.parametrize(
    "content, message",
    [
        ({"authors": 3}, "authors is 3, expected a list of names"),
        ({"authors": [3]}, "authors is 3, expected a text"),
        ({"name": ["x"]}, "expected a text"),
        ({"prize_eligible": "yes"}, "expected true, false or null"),
        ({"rule_set": "none"}, "expected one of external"),
        (["x"], "an object with a name is due"),
    ],
)
def test_anything_else_is_an_error_that_names_the_file(
    tmp_path: Path, content: Any, message: str
) -> None:
    path = write(tmp_path / "mine.json", content)
    with pytest.raises(UserError, match=message) as error:
        read_infos(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_infos(tmp_path / "absent.json")


def test_submissions_that_nobody_describes_have_their_name_and_framework() -> None:
    described = [
        SubmissionInfo("a", "Under self-tuning", tuning="self"),
        SubmissionInfo("b", "Old"),
        SubmissionInfo("b", "New", framework="JAX and more"),
        SubmissionInfo("c", "c", framework="pytorch"),
    ]
    found = infos_for({"a": "jax", "b": "pytorch", "c": ""}, described, "external")
    assert found == {
        "a": SubmissionInfo("a", "a", framework="JAX"),
        "b": SubmissionInfo("b", "New", framework="JAX and more"),
        "c": SubmissionInfo("c", "c", framework="PyTorch"),
    }


def test_a_folder_of_records_may_describe_its_submission(tmp_path: Path) -> None:
    trial = tmp_path / "mine" / "study_0" / "alpha_jax" / "trial_1"
    trial.mkdir(parents=True)
    write(tmp_path / "mine" / "submission.json", {"id": "other", "name": "Mine"})
    runs = pl.DataFrame({"submission": ["mine"], "file": [str(trial)], "form": ["folder"]})
    assert infos_beside(runs) == ([SubmissionInfo("mine", "Mine")], [])


def test_the_benchmark_s_own_file_beside_the_records_is_read(tmp_path: Path) -> None:
    trial = tmp_path / "mine" / "study_0" / "ogbg_jax" / "trial_1"
    trial.mkdir(parents=True)
    file = tmp_path / "mine" / "submission_info.yml"
    file.write_text(
        "submission_name: Mine\nsubmission_folder: other\nauthors: Ann, Ben\n"
        "affiliations: Org\nversion: '1.0'\nruleset: self-tuning\nframework: JAX\n"
    )
    runs = pl.DataFrame({"submission": ["mine"], "file": [str(trial)], "form": ["folder"]})
    right = SubmissionInfo(
        "mine", "Mine", ("Org",), ("Ann", "Ben"), "JAX", version="1.0", tuning="self"
    )
    assert infos_beside(runs) == ([right], [])
    for text, told in (("PATH=/bin\nHOME=/root\n", "'PATH=/bin"), ("a: [", "is not valid YAML")):
        file.write_text(text)
        infos, (warning,) = infos_beside(runs)
        assert not infos
        assert str(file) in warning.text and told in warning.text
        assert warning.text.endswith("the board goes without it")


def test_the_published_field_is_described() -> None:
    infos = FIELDS["v0.5", "external"].infos
    assert len(infos) == 11
    assert all(e.authors and e.organisations and e.description for e in infos)
    assert {info.tuning for info in infos} == {"external"}
