"""What the files of a submission give away."""

import sys
from types import SimpleNamespace

import reference_algorithms
from algoperf_jax.check.files import same_everywhere, source_findings, telling_numbers
from algoperf_jax.rules import Facts, Limits, Target

NAMES = ("ogbg", "wmt")


MINE = """
from algoperf_jax import Submission
from reference_algorithms import batch_sizes
import pieces
RATE = {'ogbg': 0.1}
submission = Submission(optimizer=lambda hp, problem: pieces.rule(RATE))
"""


def test_files_that_are_imported_are_read_too_and_no_others(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "pieces.py").write_text("NAME = 'wmt'\ndef rule(rates): ...\n")
    (tmp_path / "unrelated.py").write_text("NAME = 'wmt'\n")
    submission = reference_algorithms.get(str(tmp_path / "mine.py"))
    found = sorted(finding.text for finding in source_findings(submission, NAMES, {}))
    assert len(found) == 2
    assert found[0].startswith("mine.py, line 5: names the workload 'ogbg'")
    assert found[1].startswith("pieces.py, line 1: names the workload 'wmt'")


def test_numbers_of_a_workload_come_with_the_words_that_say_whose_they_are():
    facts = Facts(Target("bleu", "max", 30.5, 30.0), {"v0.6": Limits(700, 60.0, 10.0)})
    assert telling_numbers({"wmt": facts}, {"wmt": 5000}) == {
        30.5: "the target of wmt",
        700.0: "the step hint of wmt under v0.6",
        60.0: "the runtime of wmt under v0.6",
        5000.0: "the number of training examples of wmt",
    }


def submission(rate):
    return SimpleNamespace(search_space=None, hyperparameters={"learning_rate": rate})


def test_a_point_that_depends_on_the_command_line_is_a_violation_and_the_line_is_put_back():
    before = sys.argv
    (found,) = same_everywhere(
        submission(0.1), lambda: submission(0.2 if "wmt" in sys.argv else 0.1), NAMES
    )
    assert "differ when the command names wmt" in found.text
    assert sys.argv is before


def test_a_point_that_is_the_same_everywhere_is_none():
    assert same_everywhere(submission(0.1), lambda: submission(0.1), NAMES) == []
