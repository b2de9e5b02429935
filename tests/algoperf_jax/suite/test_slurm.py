"""The Slurm array script: one task per trial, run here by bash."""

import subprocess
import sys

from algoperf_jax.suite.slurm import script
from algoperf_jax.suite.supervision import Job


def test_each_task_runs_its_own_trial_and_ended_ones_stay(tmp_path):
    program = tmp_path / "a program.py"
    program.write_text("import sys; print(sys.argv[1:])")
    jobs = [
        Job(
            label=f"trial {n}",
            workload="toy",
            command=(str(program), "--hyperparameters", f'{{"lr": {n}}}'),
            folder=tmp_path / f"trial {n}",
            log=tmp_path / "logs" / f"{n}.log",
            budget_seconds=3600.0,
            grace_seconds=600.0,
        )
        for n in range(2)
    ]
    text = script(jobs, sys.executable, name="mine", at_once=1, gpus=8, cpus=None)
    assert "#SBATCH --array=0-1%1\n" in text
    assert "#SBATCH --time=130\n" in text  # minutes: twice the budget and the grace
    assert "#SBATCH --gpus-per-node=8\n" in text
    path = tmp_path / "suite.sh"
    path.write_text(text)

    def task(number):
        environment = {"SLURM_ARRAY_TASK_ID": str(number), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            ["bash", str(path)], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert task(1) == """['--hyperparameters', '{"lr": 1}']\n"""
    jobs[0].folder.mkdir()
    (jobs[0].folder / "outcome.json").write_text("{}")
    assert task(0) == "this trial has ended already\n"
