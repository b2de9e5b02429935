"""The suite runner as a user meets it: its plan, its refusals, real runs of toy workloads."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import run_suite

import reference_algorithms
from algoperf_jax.errors import UserError
from algoperf_jax.files import read_json, write_json
from algoperf_jax.identity import source_identity
from algoperf_jax.scoring.submission_info import read_infos
from algoperf_jax.tuning import parse, study_points
from reference_algorithms.nadamw import SEARCH_SPACE
from workloads.facts import BASE

TESTS = Path(__file__).parent.parent
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}",
    "XLA_FLAGS": os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=1",
}


NUMBERS = ["--studies=2", "--trials=3"]


@pytest.fixture
def run(tmp_path, capsys):
    """Runs the command in a folder of its own; its status and its output."""

    def command(*flags):
        place = [f"--experiment_dir={tmp_path}", f"--cache_dir={tmp_path / 'cache'}"]
        status = run_suite.main([*flags, *place], ENVIRONMENT)
        return status, capsys.readouterr().out

    return command


def test_dry_run_prints_the_plan_and_its_cost_and_writes_nothing(run, tmp_path):
    status, out = run("--dry_run", "--workloads", "ogbg,suite_workloads:quick", *NUMBERS)
    assert status == 0
    assert out.startswith("scale mini")
    assert "ogbg: 6 trials of at most 0.0222 h" in out  # 80 s each
    assert "worst case: 1.8 h of submission time for 12 trials" in out  # 1000 s for the other
    point = study_points(parse(SEARCH_SPACE), 0, 1, 5, 5)[2]
    assert f"study 1 trial 3: {json.dumps(point)}" in out
    assert not list(tmp_path.iterdir())


def test_distance_between_checkpoints_is_handed_on_to_the_trials(run):
    _, out = run("--dry_run", "--workloads=ogbg", "--checkpoint_every_seconds=600")
    assert "train.py" in out
    assert "--checkpoint_every_seconds=600.0" in out.split("the first trial alone: ")[1]


def test_the_benchmark_itself_is_planned_without_its_data(run):
    _, out = run("--dry_run", "--scale=full", "--workloads=ogbg", "--rules=v0.6", "--tuning=self")
    # protocol, section 1 and 2: 3 runs of 1.5 x 12011 s
    assert "ogbg: 3 trials of at most 5 h, 15 h in all" in out


@pytest.mark.parametrize("rules, count", [("v0.5", 8), ("v0.6-a100", 9)])
def test_default_are_all_base_workloads_of_the_rules(run, rules, count):
    _, out = run("--dry_run", "--tuning=self", f"--rules={rules}")
    planned = [name for name in BASE if f"\n{name}: 1 trial of" in out]
    assert planned == [name for name, facts in BASE.items() if rules in facts.limits]
    assert len(planned) == count


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--workloads=obgb"], "did you mean ogbg"),
        (["--submission=nadamm"], "did you mean nadamw"),
        (["--scale=full"], "needs --data_dir"),
        (["--scale=mini", "--data_dir=x"], "takes no --data_dir"),
        (["--workloads=ogbg", "--data_dir=/nowhere"], "prepare_data.py ogbg"),
        (["--jobs=0"], "--jobs: 0 given"),
        (["--address=host:1"], "goes with --engine=ray"),
        (["--tuning=self", "--trials=3"], "a study is one trial"),
        (["--search_space=/nowhere.json"], "search space /nowhere.json"),
        (["--grace_minutes=0"], "--grace_minutes: 0"),
        (["--checkpoint_every_seconds=-1"], "--checkpoint_every_seconds: -1"),
        (["--dry_run", "--workloads=ogbg", "--seed=-1"], "seed: -1 given, at least 0"),
        (["--dry_run", "--workloads=ogbg", "--replicas=7"], "divisible by 7 replicas"),
        (["--dry_run", "--workloads=ogbg", "--max_steps=4294967296"], "has to be below"),
        (["--workloads=ogbg", "--slurm=/nowhere/x"], "--slurm: .* there is no folder /nowhere"),
        (["--workloads=ogbg", "--slurm=/"], "--slurm: / is a folder; name a file"),
    ],
)
def test_mistakes_are_answered_before_anything_is_written(run, tmp_path, flags, message):
    with pytest.raises(UserError, match=message):
        run("--submission=nadamw", *flags)
    assert not list(tmp_path.iterdir())


def test_metadata_beside_the_submission_go_where_scoring_reads_them(run, tmp_path):
    source = "from reference_algorithms.template import submission"
    (tmp_path / "mine.py").write_text(source)
    flags = [f"--submission={tmp_path / 'mine.py'}", "--workloads=ogbg"]
    flags.append(f"--slurm={tmp_path / 'suite.sh'}")
    write_json(tmp_path / "mine.json", {"name": "Mine"})
    run(*flags)
    assert not (tmp_path / "mini" / "template" / "submission.json").exists()
    metadata = {
        "name": "Mine",
        "organisations": ["independent"],
        "authors": ["A. Author"],
        "description": "Adam.",
        "framework": "jax",
        "prize_eligible": False,
        "rule_set": "external",
    }
    write_json(tmp_path / "mine.json", metadata)
    run(*flags)
    info = read_infos(tmp_path / "mini" / "template" / "submission.json")[0]
    assert (info.name, info.tuning, info.authors) == ("Mine", "external", ("A. Author",))


def test_a_factory_that_raises_is_told_by_a_dry_run(run, tmp_path):
    """What train.py refuses, the plan refuses."""
    (tmp_path / "mine.py").write_text(
        "from algoperf_jax import Submission\n"
        "submission = Submission(optimizer=lambda hp, problem: hp.bogus, name='mine')\n"
    )
    with pytest.raises(UserError, match=r"factory raised AttributeError.*mine.py, line 2"):
        run("--dry_run", "--workloads=ogbg", f"--submission={tmp_path / 'mine.py'}")


def test_a_search_space_that_the_submission_does_not_take_is_refused(run, tmp_path):
    write_json(tmp_path / "space.json", {"lr": {"feasible_points": [1.0]}})
    with pytest.raises(UserError, match="takes no hyperparameter 'lr'"):
        run("--workloads=ogbg", f"--search_space={tmp_path / 'space.json'}")


def test_suite_runs_records_deaths_and_goes_on_where_it_stopped(run, tmp_path):
    flags = ["--workloads", "suite_workloads:quick", "suite_workloads:starved"]
    flags += ["--eval_every_steps=1", "--max_steps=2", "--trials=1"]
    status, out = run(*flags, "--jobs=2")
    assert status == 1
    assert "reached: quick study 0 trial 1" in out
    assert "failed: starved study 0 trial 1" in out
    assert "when memory runs out" in out
    assert f"python scripts/score.py {tmp_path} --rules=v0.5 --tuning=external --scale=mini" in out
    home = tmp_path / "mini" / "nadamw"
    assert read_json(home / "study_0" / "starved_jax" / "trial_1" / "outcome.json")["status"] == (
        "failed"
    )
    # The point that the plan gave the trial is the one it ran.
    plan = read_json(home / "plan.json")
    trial = home / "study_0" / "quick_jax" / "trial_1"
    assert read_json(trial / "hparams.json") == plan["points"][0]["hyperparameters"]
    assert plan["points"][0]["hyperparameters"] == study_points(parse(SEARCH_SPACE), 0, 0, 5, 5)[0]

    status, out = run(*flags)
    assert (status, "every trial of this plan has ended" in out) == (1, True)
    with pytest.raises(UserError, match="seed is 0 there and 1 here"):
        run(*flags, "--seed=1")
    with pytest.raises(UserError, match="search_space is .* there and None here"):
        run("--tuning=self", *flags[:-1])
    (home / "plan.json").unlink()
    with pytest.raises(UserError, match="not of this plan: seed is 0 there and 1 here"):
        run(*flags, "--seed=1", "--dry_run")


def test_a_folder_that_cannot_be_resumed_costs_that_trial_alone(run, tmp_path):
    shared = {"scale": "mini", "submission": "nadamw", "rules": "v0.5", "tuning": "external"}
    point = study_points(parse(SEARCH_SPACE), 0, 0, 5, 5)[0]
    point = {**reference_algorithms.get("nadamw").hyperparameters, **point}
    limits = {"seed": 0, "max_steps": 2, "eval_every_steps": 1}
    source = source_identity(reference_algorithms.get("nadamw"))
    planned = {**shared, **limits, "hyperparameters": point, "submission_source": source}
    configuration = {**planned, "batch_size": 7}
    study = tmp_path / "mini" / "nadamw" / "study_0" / "quick_jax"
    (study / "trial_1").mkdir(parents=True)
    write_json(study / "trial_1" / "meta_data.json", {"configuration": configuration})
    status, out = run(
        *("--workloads=suite_workloads:quick", "--trials=2", "--eval_every_steps=1"),
        "--max_steps=2",
    )
    assert status == 1
    assert "blocked: quick study 0 trial 1" in out
    assert "holds a trial of another configuration" in out
    assert "reached: quick study 0 trial 2" in out
    assert not (study / "trial_1" / "outcome.json").exists()


def test_slurm_script_holds_what_is_still_to_be_done(run, tmp_path):
    script = tmp_path / "suite.sh"
    status, out = run("--workloads=ogbg", "--studies=2", f"--slurm={script}", "--gpus_per_trial=8")
    assert status == 0
    assert "2 tasks" in out
    text = script.read_text()
    assert "--study=1 --trial=1" in text
    assert "#SBATCH --array=0-1\n" in text


@pytest.mark.parametrize("script", ["run_suite.py", "check_submission.py"])
def test_help_loads_neither_tensorflow_nor_ray(script):
    code = (
        f"import runpy, sys\nsys.argv = ['{script}', '--help']\n"
        f"try:\n    runpy.run_path('{script}', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({'flax', 'tensorflow', 'ray', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(run_suite.__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("[]\n")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_the_trials_and_the_same_command_resumes_them(tmp_path, number):
    command = [
        *(sys.executable, run_suite.__file__, "--workloads=suite_workloads:endless"),
        *("--eval_every_steps=200", "--max_steps=4000", f"--experiment_dir={tmp_path}"),
    ]
    folder = tmp_path / "mini" / "nadamw" / "study_0" / "endless_jax" / "trial_1"
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not list(folder.glob("checkpoints/[1-9]*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped with 1 trial to go; the same command resumes them" in error
    assert not (folder / "outcome.json").exists()
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert "resumed: endless study 0 trial 1" in done.stdout
    rows = (folder / "measurements.csv").read_text().splitlines()
    assert "4000" in rows[-1]
