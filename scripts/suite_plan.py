"""From the flags of `run_suite.py` to its plan: workloads, submission, trials, commands."""

import argparse
import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import reference_algorithms
import workloads
from algoperf_jax import tuning
from algoperf_jax.check import metadata as submission_metadata
from algoperf_jax.errors import UserError
from algoperf_jax.identity import source_identity
from algoperf_jax.rules import RuleSet, rule_set
from algoperf_jax.suite import plan
from algoperf_jax.suite.plan_file import Agreement
from algoperf_jax.suite.standing import check_configuration
from algoperf_jax.suite.supervision import GRACE_SECONDS, Job
from algoperf_jax.trial.records import trial_folder
from workloads.facts import BASE, FACTS, HELD_OUT

TRAIN = Path(__file__).resolve().with_name("train.py")
GROUPS = {
    "base": tuple(BASE),
    "held_out": HELD_OUT,
    "qualification": tuple(name for name in BASE if FACTS[name].qualification),
}
DEFAULT_CACHE_DIR = Path("~/.cache/algoperf_jax")


@dataclasses.dataclass(frozen=True)
class Suite:
    """What the flags come to.

    Attributes:
      agreement: what all trials have in common.
      trials: the plan.
      jobs: what each trial's process is to do, in the same order.
      workloads: the workloads by name.
      home: the submission's folder of the experiment.
    """

    agreement: Agreement
    trials: tuple[plan.PlannedTrial, ...]
    jobs: tuple[Job, ...]
    workloads: Mapping[str, Any]
    home: Path


def suite(flags: argparse.Namespace, scale: str) -> Suite:
    """Loads what the flags name and plans the trials; touches no accelerator and no file.

    Raises:
      UserError: a name, a number or a search space does not fit.
    """
    rules = rule_set(flags.rules)
    # The trials' processes need the accelerators' memory, whatever a submission's file computes
    # while it is imported here.
    import jax

    jax.config.update("jax_platforms", "cpu")
    submission = reference_algorithms.get(flags.submission)
    data = submission.search_space
    space = tuning.parse(data, "the submission's search space") if data is not None else None
    if flags.search_space:
        space = tuning.load(flags.search_space)
        data = json.loads(flags.search_space.read_text())
    extent = plan.extent(
        rules,
        flags.tuning,
        scale,
        studies=flags.studies,
        trials=flags.trials,
        space=space,
        space_given=flags.search_space is not None,
    )
    drawn = None
    if extent.draws and space is not None:
        drawn = plan.draw(data, space, rules, flags.seed, extent)
        submission.point(drawn.studies[0][0])  # raises where it does not take what the space gives
    loaded, planned = planned_workloads(flags, scale, rules)
    trials = plan.planned_trials(planned, extent, drawn)
    agreement = Agreement(
        submission=submission.name,
        source_sha256=source_identity(submission),
        scale=scale,
        rules=flags.rules,
        tuning=flags.tuning,
        seed=flags.seed,
        max_steps=flags.max_steps,
        eval_every_steps=flags.eval_every_steps,
        replicas=flags.replicas,
        default_point=dict(submission.hyperparameters),
        drawn=drawn,
        budgets={workload.name: workload.budget_seconds for workload in planned},
    )
    home = flags.experiment_dir.resolve() / scale / submission.name
    jobs = tuple(job_of(trial, flags, scale, submission.name, home) for trial in trials)
    return Suite(agreement, trials, jobs, loaded, home)


def planned_workloads(
    flags: argparse.Namespace, scale: str, rules: RuleSet
) -> tuple[dict[str, Any], list[plan.PlannedWorkload]]:
    """The workloads by name, and what the plan has to know of each."""
    loaded, planned = {}, []
    for argument, workload in chosen_workloads(flags.workloads, scale).items():
        budget = workload.limits_under(rules.name).runtime_seconds
        budget *= rules.budget_factor(flags.tuning)
        loaded[workload.name] = workload
        planned.append(plan.PlannedWorkload(workload.name, argument, budget))
    return loaded, planned


def chosen_workloads(words: Sequence[str], scale: str) -> dict[str, Any]:
    """The workloads that the words stand for, by what the words call them.

    Args:
      words: names, import paths, or groups: of these the workloads that exist at the scale.
      scale: `"mini"` or `"full"`.
    """
    chosen: dict[str, Any] = {}
    for word in filter(None, ",".join(words).split(",")):
        if word not in GROUPS:
            chosen[word] = workloads.get(word, scale)
            continue
        members = [name for name in GROUPS[word] if name in workloads.CATALOGUE.entries]
        there = {name: found for name in members if (found := at_scale(name, scale))}
        if not there:
            raise UserError(
                f"--workloads: no workload of the group {word!r} exists at scale {scale} yet; "
                f"there are {', '.join(workloads.CATALOGUE.entries)}"
            )
        chosen.update(there)
    return chosen


def at_scale(name: str, scale: str) -> Any | None:
    """The workload of that name, None where it does not exist at that scale."""
    try:
        return workloads.get(name, scale)
    except UserError as error:
        if "exists at scale" not in str(error):
            raise
        return None


def metadata(submission: str) -> tuple[dict[str, Any] | None, str | None]:
    """What the file beside a submission says of it, and why it cannot be used."""
    path = submission_metadata.metadata_path(Path(submission.partition(":")[0]))
    if not submission.partition(":")[0].endswith(".py") or not path.is_file():
        return None, None
    try:
        return dataclasses.asdict(submission_metadata.load(path)), None
    except UserError as error:
        return None, str(error)


def job_of(
    trial: plan.PlannedTrial,
    flags: argparse.Namespace,
    scale: str,
    submission: str,
    home: Path,
) -> Job:
    """What the trial's process is to do."""
    folder = trial_folder(
        home.parent.parent, scale, submission, trial.study, trial.workload.name, trial.trial
    )
    minutes = flags.grace_minutes
    return Job(
        label=trial.label,
        workload=trial.workload.name,
        command=command(trial, flags, scale, home.parent.parent),
        folder=folder,
        log=home / "logs" / f"{trial.label.replace(' ', '_')}.log",
        budget_seconds=trial.workload.budget_seconds,
        grace_seconds=GRACE_SECONDS[scale] if minutes is None else 60 * minutes,
    )


def command(
    trial: plan.PlannedTrial, flags: argparse.Namespace, scale: str, experiment_dir: Path
) -> tuple[str, ...]:
    """`train.py` with the flags that make it run this trial, wherever it is called."""
    values = {
        "workload": anywhere(trial.workload.argument),
        "submission": anywhere(flags.submission),
        "scale": scale,
        "data_dir": flags.data_dir and flags.data_dir.resolve(),
        "rules": flags.rules,
        "tuning": flags.tuning,
        "seed": flags.seed,
        "study": trial.study,
        "trial": trial.trial,
        "replicas": flags.replicas,
        "max_steps": flags.max_steps,
        "eval_every_steps": flags.eval_every_steps,
        "experiment_dir": experiment_dir,
        "cache_dir": flags.cache_dir and flags.cache_dir.resolve(),
    }
    words = [f"--{name}={value}" for name, value in values.items() if value is not None]
    if trial.point is not None:
        words += ["--hyperparameters", json.dumps(dict(trial.point))]
    return (str(TRAIN), *words)


def anywhere(argument: str) -> str:
    """The argument, with a file's path made absolute."""
    path, colon, attribute = argument.partition(":")
    return f"{Path(path).resolve()}{colon}{attribute}" if path.endswith(".py") else argument


def check_record(trial: plan.PlannedTrial, job: Job, suite: Suite) -> None:
    """Raises a `UserError` when the trial's folder holds a trial of another kind."""
    shared = suite.agreement
    names = ("scale", "submission", "rules", "tuning", "seed", "max_steps", "eval_every_steps")
    planned = {name: getattr(shared, name) for name in names}
    planned["submission_source"] = shared.source_sha256
    planned["hyperparameters"] = {**shared.default_point, **(trial.point or {})}
    if shared.replicas is not None:
        planned["replicas"] = shared.replicas
    check_configuration(job.folder, planned)


def score_command(flags: argparse.Namespace, suite: Suite) -> str:
    """The command that scores the records."""
    words = ["python", "scripts/score.py", str(flags.experiment_dir)]
    words += [f"--rules={flags.rules}", f"--tuning={flags.tuning}"]
    words += [f"--scale={suite.agreement.scale}"]
    rules = rule_set(flags.rules)
    external = flags.tuning == "external"
    expected = rules.external_studies if external else rules.self_tuning_studies
    studies = len({trial.study for trial in suite.trials})
    if suite.agreement.scale == "full" and studies != expected:
        words.append(f"--studies={studies}")
    return shlex.join(words)
