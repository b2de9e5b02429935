"""The job of each trial: the command that runs it, its folder, its limits."""

import json
from pathlib import Path

from algoperf_jax.suite.choices import SuiteChoices
from algoperf_jax.suite.plan import PlannedTrial
from algoperf_jax.suite.supervision import GRACE_SECONDS, Job
from algoperf_jax.trial.records import trial_folder


def job_of(trial: PlannedTrial, choices: SuiteChoices, submission: str, train: Path) -> Job:
    """The job that runs a trial.

    Args:
      trial: one of the plan.
      choices: of the suite.
      submission: its name in the records.
      train: the program that runs one trial, `train.py`.
    """
    experiment_dir, scale = choices.experiment_dir.resolve(), choices.scale
    logs = experiment_dir / scale / submission / "logs"
    grace = choices.grace_seconds
    return Job(
        label=trial.label,
        workload=trial.workload.name,
        command=train_command(trial, choices, train),
        folder=trial_folder(
            experiment_dir, scale, submission, trial.study, trial.workload.name, trial.trial
        ),
        log=logs / f"{trial.label.replace(' ', '_')}.log",
        budget_seconds=trial.workload.budget_seconds,
        grace_seconds=GRACE_SECONDS[scale] if grace is None else grace,
    )


def train_command(trial: PlannedTrial, choices: SuiteChoices, train: Path) -> tuple[str, ...]:
    """`train.py` with the flags that make it run this trial, wherever it is called.

    Args:
      trial, choices, train: as `job_of` takes them.
    """
    values = {
        "workload": anywhere(trial.workload.argument),
        "submission": anywhere(choices.submission),
        "scale": choices.scale,
        "data_dir": choices.data_dir and choices.data_dir.resolve(),
        "rules": choices.rules,
        "tuning": choices.tuning,
        "seed": choices.seed,
        "study": trial.study,
        "trial": trial.trial,
        "replicas": choices.replicas,
        "max_steps": choices.max_steps,
        "eval_every_steps": choices.eval_every_steps,
        "checkpoint_every_seconds": choices.checkpoint_every_seconds,
        "experiment_dir": choices.experiment_dir.resolve(),
        "cache_dir": choices.cache_dir and choices.cache_dir.resolve(),
    }
    words = [f"--{name}={value}" for name, value in values.items() if value is not None]
    if trial.point is not None:
        words += ["--hyperparameters", json.dumps(dict(trial.point))]
    return (str(train.resolve()), *words)


def anywhere(argument: str) -> str:
    """What names a workload or submission, with a file's path made absolute."""
    path, colon, attribute = argument.partition(":")
    return f"{Path(path).resolve()}{colon}{attribute}" if path.endswith(".py") else argument
