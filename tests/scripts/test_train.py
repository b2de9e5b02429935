"""The command line as a user meets it: answers, errors, a short run, a second call."""

import subprocess
import sys
from pathlib import Path

import pytest
import train as train_script

from algoperf_jax.errors import UserError
from algoperf_jax.files import read_json

SCRIPT = Path(train_script.__file__)
OGBG = ["--workload=ogbg", "--max_steps=2", "--eval_every_steps=1"]


def modules_after(code):
    """Names of the modules loaded after running the code in a process of its own."""
    listing = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", listing],
        capture_output=True,
        text=True,
        check=True,
        cwd=SCRIPT.parent,
    )
    return set(found.stdout.split())


@pytest.mark.parametrize("flag", ["--help", "--list"])
def test_help_and_list_load_neither_jax_nor_tensorflow(flag):
    code = (
        f"import runpy, sys\nsys.argv = ['train.py', '{flag}']\n"
        "try:\n    runpy.run_path('train.py', run_name='__main__')\nexcept SystemExit:\n    pass"
    )
    assert not modules_after(code) & {"jax", "flax", "tensorflow", "optax"}


def test_importing_kit_and_workloads_loads_no_data_library():
    modules = "algoperf_jax.trial.training, workloads.ogbg, reference_algorithms.nadamw"
    code = f"import algoperf_jax, {modules}"
    loaded = modules_after(code)
    assert "jax" in loaded
    assert not loaded & {"tensorflow", "tensorflow_datasets", "orbax.checkpoint", "pandas"}


def test_list_shows_workloads_and_submissions(capsys):
    assert train_script.main(["--list"]) == 0
    out = capsys.readouterr().out
    assert "ogbg_model_size" in out
    assert "nadamw" in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--workload is missing"),
        (["--workload=obgb"], "did you mean ogbg"),
        (["--workload=OGBG"], "did you mean ogbg.*--list shows the [0-9]+ names"),
        (["--workload=ogbg", "--submission=adamm"], "did you mean adamw"),
        (["--workload=ogbg", "--scale=full"], "needs --data_dir"),
        (["--workload=ogbg", "--scale=mini", "--data_dir=x"], "takes no --data_dir"),
        (["--workload=ogbg", "--data_dir=/nowhere"], "prepare_data.py ogbg"),
        (["--workload=ogbg", "--rules=v1"], "unknown rules 'v1'"),
        (["--workload=ogbg", "--replicas=7"], "divisible by 7 replicas"),
        (["--workload=ogbg", "--batch_size=-8"], "at least 1"),
        (["--workload=ogbg", "--checkpoint_every_seconds=-1"], "a number of seconds is needed"),
        (["--workload=ogbg", "--hyperparameters", "lr=1"], "takes no hyperparameter 'lr'"),
        (["--workload=ogbg", "--hyperparameters", "{"], "neither a JSON object nor KEY=VALUE"),
        (
            ["--workload=ogbg", "--hyperparameters", "learning_rate=NaN"],
            "learning_rate is a finite number, 'NaN' was given",
        ),
        (
            ["--workload=ogbg", "--hyperparameters", '{"learning_rate": {"min": 1}}'],
            "is a search space; one",
        ),
        (
            ["--workload=ogbg", "--tuning=self", "--hyperparameters", "learning_rate=1"],
            "self-tuning takes no point",
        ),
        (["--workload=ogbg", "--process_count=2"], "go together"),
    ],
)
def test_bad_input_is_one_clear_error_and_leaves_no_folder(flags, message, tmp_path):
    with pytest.raises(UserError, match=message) as caught:
        train_script.main([*flags, f"--experiment_dir={tmp_path / 'experiments'}"])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "experiments").exists()


def test_error_exits_with_status_2_and_one_line(tmp_path):
    found = subprocess.run(
        [sys.executable, str(SCRIPT), "--workload=obgb"], capture_output=True, text=True
    )
    assert found.returncode == 2
    assert found.stderr.startswith("error: unknown workload 'obgb'")
    assert found.stderr.count("\n") == 1


def test_short_run_then_the_same_command_then_overwrite(tmp_path, capsys):
    flags = [*OGBG, f"--experiment_dir={tmp_path}", f"--cache_dir={tmp_path / 'cache'}"]
    flags += ["--replicas=2", "--profile", f"--compilation_cache={tmp_path / 'programs'}"]
    flags += ["--checkpoint_every_seconds=1000"]
    assert train_script.main(flags) == 0
    out = capsys.readouterr().out
    assert out.startswith("scale mini: ")
    assert "target not reached" in out
    folder = tmp_path / "mini" / "nadamw" / "study_0" / "ogbg_jax" / "trial_1"
    assert f"record: {folder}" in out
    outcome = read_json(folder / "outcome.json")
    assert outcome["status"] == "training complete"
    assert read_json(folder / "meta_data.json")["compilation_cache"] == str(tmp_path / "programs")
    assert any((tmp_path / "programs").iterdir())
    with pytest.raises(UserError, match="holds this trial already"):
        train_script.main(flags)
    with pytest.raises(UserError, match="seed is 0 there and 1 here"):
        train_script.main([*flags, "--seed=1"])
    (folder / "left_over").write_text("")
    assert train_script.main([*flags, "--overwrite"]) == 0
    assert not (folder / "left_over").exists()


def test_failed_trial_exits_with_status_1(tmp_path, capsys):
    flags = [*OGBG, f"--experiment_dir={tmp_path}", f"--cache_dir={tmp_path / 'cache'}"]
    flags += ["--replicas=1", "--max_steps=4", "--hyperparameters", "learning_rate=1e38"]
    assert train_script.main(flags) == 1
    assert "error: the trial failed: FloatingPointError" in capsys.readouterr().err


def test_edit_and_run(tmp_path, capsys):
    """An error is shown with the user's line; once it is mended, a flag runs the trial again."""
    file = tmp_path / "mine.py"
    flags = [*OGBG, f"--experiment_dir={tmp_path}", f"--cache_dir={tmp_path / 'cache'}"]
    flags += ["--replicas=1", f"--submission={file}"]
    faulty = (
        "import optax\nfrom algoperf_jax import Submission\n\n\n"
        "def update(grads, state, params=None):\n    return grads.bogus, state\n\n\n"
        "submission = Submission(\n"
        "    lambda hp, problem: optax.GradientTransformation(lambda params: (), update)\n)\n"
    )
    file.write_text(faulty)
    assert train_script.main(flags) == 1
    error = capsys.readouterr().err
    (folder,) = tmp_path.glob("mini/*/study_0/ogbg_jax/trial_1")
    for said in (
        "has no attribute 'bogus' (in the submission's optimizer, its update; mine.py, line 6)",
        f'File "{file}", line 6, in update\n    return grads.bogus, state',
        f"the whole traceback: {folder / 'traceback.txt'}",
    ):
        assert said in error
    assert "return grads.bogus" in (folder / "traceback.txt").read_text()

    file.write_text(faulty.replace("grads.bogus", "grads"))
    with pytest.raises(UserError, match="earlier version of the submission's file"):
        train_script.main(flags)
    assert train_script.main([*flags, "--retry_failed"]) == 0
    assert read_json(folder / "outcome.json")["status"] == "training complete"
    assert not (folder / "traceback.txt").exists()
    with pytest.raises(UserError, match="holds this trial already, ended: training complete"):
        train_script.main([*flags, "--retry_failed"])


def test_after_an_interruption_it_is_said_what_comes_next(tmp_path):
    assert train_script.what_comes_next(tmp_path) == "begins anew: there is no checkpoint yet"
    for step in (30, 4):
        (tmp_path / "checkpoints" / str(step)).mkdir(parents=True)
    (tmp_path / "checkpoints" / "40.orbax-checkpoint-tmp").mkdir()
    assert train_script.what_comes_next(tmp_path) == "goes on at step 30"
