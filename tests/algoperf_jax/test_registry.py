"""Names, import paths and files lead to workloads and submissions."""

import pytest

import reference_algorithms
import workloads
from algoperf_jax.errors import UserError
from algoperf_jax.submission import Submission

OWN = """
import optax
from algoperf_jax import Submission

submission = Submission(optimizer=lambda hp, problem: optax.sgd(0.1), name="mine")
other = Submission(optimizer=lambda hp, problem: optax.sgd(0.2), name="other")
"""


@pytest.mark.parametrize("name", reference_algorithms.CATALOGUE.entries)
def test_every_listed_submission_loads_under_its_name(name):
    assert reference_algorithms.get(name).name == name


@pytest.mark.parametrize("name", workloads.CATALOGUE.entries)
def test_every_listed_workload_loads_under_its_name(name):
    workload = workloads.get(name, "full")
    assert (workload.name, workload.scale) == (name, "full")


def test_base_workloads_exist_at_scale_mini_and_variants_do_not():
    assert workloads.get("ogbg").scale == "mini"
    with pytest.raises(UserError, match="'ogbg_gelu' exists at scale full only"):
        workloads.get("ogbg_gelu")


def test_unnamed_submission_is_called_after_its_file(tmp_path):
    (tmp_path / "mine.py").write_text(OWN.replace(', name="mine"', ""))
    assert reference_algorithms.get(f"{tmp_path}/mine.py").name == "mine"


@pytest.mark.parametrize(
    "name", [":x", ".foo:bar", ".", "workloads.ogbg:_mini", "workloads.ogbg:NETWORKS"]
)
def test_odd_paths_are_errors_and_not_tracebacks(name):
    with pytest.raises(UserError):
        workloads.get(name)


def test_file_that_ends_the_program_is_an_error(tmp_path):
    (tmp_path / "leaves.py").write_text("import sys; sys.exit(0)")
    with pytest.raises(UserError, match="SystemExit"):
        reference_algorithms.get(f"{tmp_path}/leaves.py")


def test_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="did you mean ogbg"):
        workloads.get("obgb")


def test_own_file(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    assert reference_algorithms.get(f"{tmp_path}/mine.py").name == "mine"
    assert reference_algorithms.get(f"{tmp_path}/mine.py:other").name == "other"


def test_own_file_may_import_what_lies_beside_it(tmp_path):
    (tmp_path / "beside_it.py").write_text(OWN)
    (tmp_path / "mine.py").write_text("from beside_it import submission")
    assert reference_algorithms.get(f"{tmp_path}/mine.py").name == "mine"


def test_import_path():
    assert isinstance(reference_algorithms.get("reference_algorithms.adamw:submission"), Submission)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.py", "no such file"),
        ("no.such.module:x", "no module 'no'"),
        ("reference_algorithms.adamw:nothing", "does not define 'nothing'"),
        ("reference_algorithms.adamw:SEARCH_SPACE", "expected a Submission, found dict"),
    ],
)
def test_errors_say_what_is_missing(name, message):
    with pytest.raises(UserError, match=message):
        reference_algorithms.get(name)


def test_file_that_raises_is_an_error_that_says_what(tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(UserError, match="ZeroDivisionError"):
        reference_algorithms.get(f"{tmp_path}/bad.py")


def test_unknown_scale():
    with pytest.raises(UserError, match="'huge'; there are mini, full"):
        workloads.get("ogbg", "huge")
