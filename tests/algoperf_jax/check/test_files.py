"""What the files of a submission give away."""

import sys
from types import SimpleNamespace

from algoperf_jax.check.files import same_everywhere, source_findings, telling_numbers
from algoperf_jax.rules import Facts, Limits, Target

NAMES = ("ogbg", "wmt")


def test_a_file_that_is_imported_from_beside_is_read_too_and_no_other(tmp_path):
    (tmp_path / "mine.py").write_text("import pieces\nRATE = {'ogbg': 0.1}\n")
    (tmp_path / "pieces.py").write_text("from mine import RATE\nNAME = 'wmt'\n")
    (tmp_path / "unrelated.py").write_text("NAME = 'wmt'\n")
    found = [finding.text for finding in source_findings(tmp_path / "mine.py", NAMES, {})]
    assert len(found) == 2
    assert found[0].startswith("mine.py, line 2: names the workload 'ogbg'")
    assert found[1].startswith("pieces.py, line 2: names the workload 'wmt'")


def test_numbers_of_a_workload_come_with_the_words_that_say_whose_they_are():
    facts = Facts(Target("bleu", "max", 30.5, 30.0), {"v0.6": Limits(700, 60.0)}, 10.0)
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
