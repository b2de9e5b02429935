"""A suite: from choices to planned trials and the jobs that run them.

In a notebook, `name` being that of a workload:

    import sys
    from pathlib import Path
    import reference_algorithms, workloads
    from algoperf_jax.suite.choices import SuiteChoices
    from algoperf_jax.suite.processes import LocalProcesses
    from algoperf_jax.suite.progress_table import ProgressTable, progress_of
    from algoperf_jax.suite.scheduler import run
    from algoperf_jax.suite.suite import check, plan_suite, remaining, statuses, write_plan

    choices = SuiteChoices("nadamw", tuning="self")
    chosen = {name: workloads.get(name)}
    submission = reference_algorithms.get("nadamw")
    suite = plan_suite(choices, submission, chosen, Path("scripts/train.py"))
    check(suite)
    write_plan(suite)
    progress = progress_of(suite.jobs, {k: v.state for k, v in statuses(suite).items()})
    run(remaining(suite), LocalProcesses(1), ProgressTable(progress, sys.stdout))
"""

import contextlib
import dataclasses
import json
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from algoperf_jax import tuning
from algoperf_jax.identity import source_identity
from algoperf_jax.rules import RuleSet, rule_set
from algoperf_jax.suite import plan, plan_file
from algoperf_jax.suite.choices import SuiteChoices
from algoperf_jax.suite.jobs import job_of
from algoperf_jax.suite.plan_file import Agreement
from algoperf_jax.suite.supervision import Job
from algoperf_jax.suite.trial_status import TrialStatus, check_configuration, trial_status
from algoperf_jax.trial.lock import sole_use

if TYPE_CHECKING:  # a plan is looked at without JAX where nothing else needs it
    from algoperf_jax.submission import Submission
    from algoperf_jax.workload import Workload


_NOT_OPENED: Any = object()


@dataclasses.dataclass(frozen=True)
class Suite:
    """The trials of one submission, planned.

    Attributes:
      choices: the options it was planned from.
      agreement: the values that all trials share.
      trials: the plan.
      jobs: one per trial, in the same order.
      home: the submission's folder of the experiment.
    """

    choices: SuiteChoices
    agreement: Agreement
    trials: tuple[plan.PlannedTrial, ...]
    jobs: tuple[Job, ...]
    home: Path


def plan_suite(
    choices: SuiteChoices,
    submission: "Submission",
    workloads: Mapping[str, "Workload"],
    train: Path,
) -> Suite:
    """Plans the trials; touches no accelerator and writes no file.

    Args:
      choices: options of the suite.
      submission: the one that `choices.submission` names.
      workloads: by what commands call them, in the order of the plan.
      train: the program that runs one trial, `train.py`.

    Raises:
      UserError: a number or a search space does not fit, or two workloads have one name.
    """
    rules = rule_set(choices.rules)
    extent, drawn = _points(choices, submission, rules)
    planned = [
        _planned(argument, workload, choices, rules) for argument, workload in workloads.items()
    ]
    trials = plan.planned_trials(planned, extent, drawn)
    agreement = Agreement(
        submission=submission.name,
        source_sha256=source_identity(submission),
        scale=choices.scale,
        rules=choices.rules,
        tuning=choices.tuning,
        seed=choices.seed,
        max_steps=choices.max_steps,
        eval_every_steps=choices.eval_every_steps,
        replicas=choices.replicas,
        default_point=dict(submission.hyperparameters),
        drawn=drawn,
        budgets={workload.name: workload.budget_seconds for workload in planned},
    )
    home = choices.experiment_dir.resolve() / choices.scale / submission.name
    jobs = tuple(job_of(trial, choices, submission.name, train) for trial in trials)
    return Suite(choices, agreement, trials, jobs, home)


def check(suite: Suite) -> None:
    """Holds the suite against the plan and the records in its folder.

    Raises:
      UserError: there is another plan, or a trial's folder holds a trial of another kind.
    """
    plan_file.check(_plan_json(suite), suite.agreement)
    shared = suite.agreement
    names = ("scale", "submission", "rules", "tuning", "seed", "max_steps", "eval_every_steps")
    planned = {name: getattr(shared, name) for name in names}
    planned["submission_source"] = shared.source_sha256
    if shared.replicas is not None:
        planned["replicas"] = shared.replicas
    for trial, job in zip(suite.trials, suite.jobs, strict=True):
        point = {**shared.default_point, **(trial.point or {})}
        check_configuration(job.folder, {**planned, "hyperparameters": point})


def check_set_up(
    suite: Suite, submission: "Submission", workloads: Mapping[str, "Workload"]
) -> None:
    """Sets up the first trial of each workload, without its data, as its own process will do.

    Args:
      suite, submission, workloads: as planned.

    Raises:
      UserError: what that process would end with.
    """
    from algoperf_jax.trial.settings import Settings
    from algoperf_jax.trial.setup import set_up

    choices = suite.choices
    for argument, workload in workloads.items():
        first = next(trial for trial in suite.trials if trial.workload.argument == argument)
        settings = Settings(
            rules=choices.rules,
            tuning=choices.tuning,
            hyperparameters=first.point,
            seed=choices.seed,
            study=first.study,
            trial=first.trial,
            replicas=choices.replicas,
            max_steps=choices.max_steps,
            eval_every_steps=choices.eval_every_steps,
            data_dir=Path() if workload.scale == "full" else None,
        )
        set_up(workload, submission, settings, data=_NOT_OPENED)


def write_plan(suite: Suite) -> None:
    """Writes the suite's `plan.json`; raises a `UserError` where that is not possible."""
    plan_file.write(_plan_json(suite), suite.agreement)


def statuses(suite: Suite) -> dict[str, TrialStatus]:
    """The status of each trial, by its label."""
    return {job.label: trial_status(job.folder) for job in suite.jobs}


def remaining(suite: Suite) -> list[Job]:
    """The jobs of the trials that have not ended, in the order of the plan."""
    return [job for job in suite.jobs if not trial_status(job.folder).ended]


def discard(suite: Suite) -> None:
    """Removes the plan, all studies and all logs of the submission.

    Raises:
      UserError: one of its trials is still at work; nothing is removed then.
    """
    with contextlib.ExitStack() as stack:
        for folder in suite.home.glob("study_*/*/trial_*"):
            stack.enter_context(sole_use(folder))
        for path in [*suite.home.glob("study_*"), suite.home / "logs"]:
            if path.is_dir():
                shutil.rmtree(path)
        _plan_json(suite).unlink(missing_ok=True)


def discard_failed(suite: Suite) -> None:
    """Removes the records of failed trials, so that they are run again."""
    for job in suite.jobs:
        if trial_status(job.folder).state == "failed":
            with sole_use(job.folder):
                shutil.rmtree(job.folder)


def score_command(suite: Suite) -> str:
    """The command that scores the suite's records."""
    choices = suite.choices
    words = ["python", "scripts/score.py", str(choices.experiment_dir)]
    words += [f"--rules={choices.rules}", f"--tuning={choices.tuning}", f"--scale={choices.scale}"]
    rules = rule_set(choices.rules)
    external = choices.tuning == "external"
    expected = rules.external_studies if external else rules.self_tuning_studies
    studies = len({trial.study for trial in suite.trials})
    if choices.scale == "full" and studies != expected:
        words.append(f"--studies={studies}")
    return shlex.join(words)


def _points(
    choices: SuiteChoices, submission: "Submission", rules: RuleSet
) -> tuple[plan.Extent, plan.DrawnPoints | None]:
    """How much is run, and the points drawn for it, if any are."""
    data: Any = submission.search_space
    space = tuning.parse(data, "the submission's search space") if data is not None else None
    if choices.search_space:
        space = tuning.load(choices.search_space)
        data = json.loads(choices.search_space.read_text())
    extent = plan.extent(
        rules,
        choices.tuning,
        choices.scale,
        studies=choices.studies,
        trials=choices.trials,
        space=space,
        space_given=choices.search_space is not None,
    )
    if not extent.draws or space is None:
        return extent, None
    drawn = plan.drawn_points(data, space, rules, choices.seed, extent)
    submission.point(drawn.studies[0][0])  # raises where it does not take what the space gives
    return extent, drawn


def _planned(
    argument: str, workload: "Workload", choices: SuiteChoices, rules: RuleSet
) -> plan.PlannedWorkload:
    budget = workload.limits_under(rules.name).runtime_seconds
    return plan.PlannedWorkload(
        workload.name, argument, budget * rules.budget_factor(choices.tuning)
    )


def _plan_json(suite: Suite) -> Path:
    return suite.home / "plan.json"
