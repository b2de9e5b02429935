"""The submission check as a user meets it."""

import json

import check_submission
import pytest

from algoperf_jax.errors import UserError

SOURCE = """
import optax
from algoperf_jax.submission import Submission

submission = Submission(
    optimizer=lambda hp, problem: optax.adam(hp.learning_rate),
    name="mine",
    hyperparameters={"learning_rate": 1e-3},
    search_space={"learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"}},
)
"""
METADATA = {
    "name": "Mine",
    "organisations": ["independent"],
    "authors": ["A. Author"],
    "description": "Adam.",
    "framework": "jax",
    "prize_eligible": False,
    "rule_set": "external",
}


@pytest.fixture
def check(tmp_path, capsys):
    """Checks a source; the exit status and the output."""

    def command(source, metadata=METADATA):
        (tmp_path / "mine.py").write_text(source)
        (tmp_path / "mine.json").write_text(json.dumps(metadata))
        flags = [str(tmp_path / "mine.py"), "--workloads=suite_workloads:quick"]
        status = check_submission.main([*flags, f"--cache_dir={tmp_path / 'cache'}"])
        return status, capsys.readouterr().out

    return command


def test_a_good_submission_passes(check):
    status, out = check(SOURCE)
    assert status == 0, out
    assert out.startswith(
        "ok         metadata: Mine by A. Author (independent), rule set external\n"
    )
    assert "ok         quick: two steps, pure state, checkpoint and back" in out
    assert out.endswith("0 violations, 0 warnings\n")


def test_violations_are_listed_and_make_the_check_fail(check):
    dependent = '"max": 1e-2 if "ogbg" in sys.argv else 1e-1'
    source = "import sys\n" + SOURCE.replace('"max": 1e-2', dependent) + 'RATE = {"wmt": 0.1}\n'
    status, out = check(source, {**METADATA, "framework": "torch"})
    assert status == 1
    assert 'mine.json, framework: expected "jax", found "torch"' in out
    assert "mine.py, line 12: names the workload 'wmt' outside batch_size" in out
    assert "mine.py, line 10: names the workload 'ogbg' outside batch_size" in out
    assert "mine.py, line 10: uses sys.argv" in out
    assert "search space or hyperparameters differ when the command names ogbg" in out
    assert out.endswith("5 violations, 0 warnings\n")


def test_a_file_that_is_not_there_is_a_mistake_of_the_user():
    with pytest.raises(UserError, match=r"nowhere\.py is not there"):
        check_submission.main(["nowhere.py"])
