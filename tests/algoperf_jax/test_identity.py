"""An edited algorithm has another identity, whichever of its files was edited; nothing else has."""

import functools
import shutil
import sys
from pathlib import Path

import optax
import pytest
from toy_workload import toy

import reference_algorithms
from algoperf_jax.errors import UserError
from algoperf_jax.files import write_json
from algoperf_jax.identity import source_files, source_identity
from algoperf_jax.submission import Control, Submission
from algoperf_jax.suite.choices import SuiteChoices
from algoperf_jax.suite.suite import check, plan_suite
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.setup import set_up

LAMBDA = """
import optax
from algoperf_jax import Submission

submission = Submission(optimizer=lambda hp, problem: optax.sgd(0.1), name="mine")
"""
PARTIAL = """
import functools
import optax
from algoperf_jax import Submission

def make(hp, problem, rate):
    return optax.sgd(rate)

submission = Submission(optimizer=functools.partial(make, rate=0.1), name="mine")
"""
IMPORTED = """
from algoperf_jax import Submission
from reference_algorithms.nadamw import submission as published

submission = Submission(optimizer=published.optimizer, name="mine")
RATE = 0.1
"""


@pytest.fixture
def write(tmp_path):
    """Writes files, texts by path, into a folder: by default the one that holds a submission."""

    def files(texts, folder=tmp_path / "here"):
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder

    return files


def identity(folder, file="mine"):
    return source_identity(reference_algorithms.get(f"{folder}/{file}.py"))


def names(submission):
    return {file.name for file in source_files(submission)}


@pytest.mark.parametrize("source", [LAMBDA, PARTIAL, IMPORTED])
def test_an_edited_file_is_another_submission(write, source):
    before = identity(write({"mine.py": source}))
    after = identity(write({"mine.py": source.replace("0.1", "0.2")}))
    assert None not in (before, after) and before != after


@pytest.mark.parametrize(
    "line",
    [
        "import beside_mine",
        "from beside_mine import RATE",
        "def late():\n    import beside_mine",
        "import importlib\nimportlib.import_module('beside_mine')",
        "__import__('beside_mine')",
        "import package_of_mine.part",
        "from package_of_mine import part",
        "from package_of_mine.part import RATE",
    ],
)
def test_an_edited_module_that_it_imports_makes_it_another(write, line):
    modules = ("beside_mine.py", "package_of_mine/part.py")
    write({"package_of_mine/__init__.py": "", **dict.fromkeys(modules, "RATE = 1")})
    before = identity(write({"mine.py": f"{line}\n{LAMBDA}"}))
    assert identity(write(dict.fromkeys(modules, "RATE = 2"))) != before


def test_imports_of_imports_count_and_so_do_packages_on_the_way(write):
    files = {
        "mine.py": f"import deep_one.two\n{LAMBDA}",
        "deep_one/__init__.py": "",
        "deep_one/two.py": "from . import three",
        "deep_one/three.py": "from .four.five import RATE",
        "deep_one/four/five.py": "RATE = 1",
    }
    found = {identity(write(files))}
    for name in files:
        found.add(identity(write({name: f"{files[name]}\nEDITED = True"})))
    assert len(found) == 1 + len(files)


def test_packages_around_a_relative_import_count(write, tmp_path, monkeypatch):
    initials = dict.fromkeys(["outer_one/__init__.py", "outer_one/inner/__init__.py"], "")
    relative = {"outer_one/inner/mine.py": f"from .part import RATE\n{LAMBDA}"}
    part = {"outer_one/inner/part.py": "RATE = 1"}
    monkeypatch.syspath_prepend(str(write({**initials, **relative, **part})))
    found = []
    for edited in (None, *initials, *part):
        write({edited: "EDITED = RATE = 1"} if edited else {})
        found.append(source_identity(reference_algorithms.get("outer_one.inner.mine:submission")))
    assert len({*found}) == 4


def test_an_edited_module_on_the_import_path_makes_it_another(write, tmp_path, monkeypatch):
    library = write({"lib_of_mine.py": "RATE = 1"}, tmp_path / "library")
    monkeypatch.syspath_prepend(str(library))
    before = identity(write({"mine.py": f"import lib_of_mine\n{LAMBDA}"}))
    write({"lib_of_mine.py": "RATE = 2"}, library)
    assert identity(tmp_path / "here") != before


def test_unrelated_files_beside_it_change_nothing(write):
    before = identity(write({"mine.py": LAMBDA}))
    unrelated = {"other.py": "import mine", "optax/notes.py": "", "mine.json": "{}"}
    assert identity(write(unrelated)) == before


def test_a_moved_folder_keeps_the_identity(write, tmp_path):
    folder = write({"mine.py": f"import beside_mine\n{LAMBDA}", "beside_mine.py": ""})
    before = identity(folder)
    shutil.move(folder, tmp_path / "there")
    assert identity(tmp_path / "there") == before


def test_what_was_imported_before_changes_nothing(write):
    """Two folders have a module of one name each; the program has the first in its memory."""
    files = {"mine.py": f"import same_name\n{LAMBDA}", "same_name.py": "RATE = 1"}
    first = identity(write(files))
    other = write({**files, "same_name.py": "RATE = 2"}, write({}) / "other")
    assert identity(other) != first == identity(write({}))


def test_an_edited_reference_helper_makes_its_users_others(tmp_path, monkeypatch):
    """On a copy of the reference algorithms, under a name of its own."""
    here = next(iter(reference_algorithms.__path__))
    copy = tmp_path / "copied_algorithms"
    shutil.copytree(here, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for file in copy.glob("*.py"):
        file.write_text(file.read_text().replace("reference_algorithms", "copied_algorithms"))
    monkeypatch.syspath_prepend(str(tmp_path))

    def identities():
        paths = ("adamw:submission", "schedule_free_adamw:submission")
        return [
            source_identity(reference_algorithms.get(f"copied_algorithms.{path}")) for path in paths
        ]

    before = identities()
    with (copy / "schedule_free.py").open("a") as file:
        file.write("\nEDITED = True\n")
    after = identities()
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)
    for name in [name for name in sys.modules if name.startswith("copied_algorithms")]:
        del sys.modules[name]


def test_files_of_a_reference_algorithm():
    found = names(reference_algorithms.get("schedule_free_adamw"))
    assert {"schedule_free_adamw.py", "schedule_free.py"} <= found
    assert "__init__.py" not in found  # the list of all algorithms
    assert not found & {"submission.py", "lion.py", "transform.py"}  # kit, another one, optax


def test_by_name_by_path_and_by_import_a_file_is_the_same_submission():
    from reference_algorithms import adamw

    file = adamw.__file__
    ways = ("adamw", file, f"{file}:submission", "reference_algorithms.adamw:submission")
    found = {source_identity(reference_algorithms.get(way)) for way in ways}
    assert found == {source_identity(adamw.submission)}


def test_suite_trial_and_notebook_agree(write, tmp_path):
    file = write({"mine.py": f"import beside_mine\n{PARTIAL}", "beside_mine.py": ""}) / "mine.py"
    submission = reference_algorithms.get(str(file))
    choices = SuiteChoices(str(file), experiment_dir=tmp_path)
    suite = plan_suite(choices, submission, {"toy": toy()}, Path("train.py"))
    planned = suite.agreement.source_sha256
    trial = set_up(toy(), submission, Settings(replicas=1), tmp_path)
    assert planned == trial.configuration()["submission_source"] == source_identity(submission)


def test_a_suite_refuses_the_record_of_an_edited_submission(write, tmp_path):
    file = write({"mine.py": LAMBDA}) / "mine.py"
    submission = reference_algorithms.get(str(file))
    choices = SuiteChoices(str(file), tuning="self", experiment_dir=tmp_path)
    suite = plan_suite(choices, submission, {"toy": toy()}, Path("train.py"))
    (job,) = suite.jobs
    settings = Settings(tuning="self", replicas=1)
    configuration = set_up(toy(), submission, settings, tmp_path).configuration()
    job.folder.mkdir(parents=True)
    write_json(job.folder / "meta_data.json", {"configuration": configuration})
    check(suite)
    edited = {**configuration, "submission_source": "0" * 64}
    write_json(job.folder / "meta_data.json", {"configuration": edited})
    with pytest.raises(UserError, match="not of this plan: submission_source is '000"):
        check(suite)


def scaled_sgd(hp, problem, rate=0.1):
    return optax.sgd(rate)


class Factory:
    def __call__(self, hp, problem):
        return optax.sgd(0.1)

    def method(self, hp, problem):
        return optax.sgd(0.1)


@pytest.mark.parametrize(
    "optimizer",
    [
        scaled_sgd,
        lambda hp, problem: optax.sgd(0.1),
        functools.partial(scaled_sgd, rate=0.2),
        functools.partial(functools.partial(scaled_sgd), rate=0.2),
        Factory(),
        Factory().method,
        Factory,
        functools.cache(scaled_sgd),
    ],
)
def test_a_submission_made_in_code_is_where_its_functions_are_defined(optimizer):
    assert "test_identity.py" in names(Submission(optimizer=optimizer))


def test_every_hook_counts(write, monkeypatch):
    text = "def decide(progress):\n    return None\n"
    monkeypatch.syspath_prepend(str(write({"hook_of_mine.py": text})))
    from hook_of_mine import decide

    by_kit = Submission(optimizer=functools.partial(optax.sgd, 0.1))
    assert names(by_kit) == set()
    assert names(Submission(by_kit.optimizer, step=decide)) == {"hook_of_mine.py"}
    control = Control(decide, every_steps=1)
    assert names(Submission(by_kit.optimizer, control=control)) == {"hook_of_mine.py"}


def test_what_was_typed_in_has_no_identity():
    typed = {}
    exec("def optimizer(hp, problem): ...", typed)
    assert source_identity(Submission(optimizer=typed["optimizer"])) is None
