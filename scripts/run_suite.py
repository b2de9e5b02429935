"""Runs a submission over workloads x studies x trials, and goes on where it stopped.

python scripts/run_suite.py --submission=nadamw --tuning=self
python scripts/run_suite.py --submission=my_algorithm.py --workloads ogbg wmt --trials=5 --jobs=2
python scripts/run_suite.py --submission=adamw --data_dir=/data --rules=v0.6 --dry_run
"""

import argparse
import dataclasses
import os
import shlex
import signal
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from command_line import answer_for, chosen_scale
from known_workloads import KNOWN
from train import MINI_NOTICE

import reference_algorithms
import workloads
from algoperf_jax.check import metadata
from algoperf_jax.errors import UserError
from algoperf_jax.files import write_json, write_text
from algoperf_jax.rules import rule_set
from algoperf_jax.scoring.submission_info import FILE
from algoperf_jax.suite import slurm
from algoperf_jax.suite.choices import SuiteChoices
from algoperf_jax.suite.listing import listing
from algoperf_jax.suite.plan import counted
from algoperf_jax.suite.processes import LocalProcesses
from algoperf_jax.suite.progress_table import ProgressTable, progress_of
from algoperf_jax.suite.scheduler import Engine, run
from algoperf_jax.suite.suite import (
    Suite,
    check,
    discard,
    discard_failed,
    plan_suite,
    remaining,
    score_command,
    statuses,
    write_plan,
)
from algoperf_jax.suite.supervision import BLOCKED, REFUSED

if TYPE_CHECKING:  # JAX is imported after the flags were read
    from algoperf_jax.workload import Workload

TRAIN = Path(__file__).resolve().with_name("train.py")


def parser() -> argparse.ArgumentParser:
    """The flags."""
    p = argparse.ArgumentParser(
        description="Runs a submission over workloads x studies x trials.",
        epilog="Run the same command again to go on where it stopped. Ctrl-C stops all trials.",
    )
    what = p.add_argument_group("what to run")
    add = what.add_argument
    add("--submission", default="nadamw", help="as for train.py (default: nadamw)")
    add(
        "--workloads",
        nargs="+",
        default=["base"],
        metavar="NAME",
        help="names or import paths as for train.py, or the groups base, held_out and "
        "qualification, as far as they exist (default: base)",
    )
    add("--data_dir", type=Path, help="the benchmark's data sets; without it the scale is mini")
    add("--scale", choices=workloads.SCALES, help="default: full with --data_dir, else mini")
    add("--rules", default="v0.5", help="edition of the rules, v0.5 or v0.6 (default: v0.5)")
    add("--tuning", choices=("external", "self"), default="external", help="(default: external)")
    add("--studies", type=int, help="default: as the rules say at scale full, 1 at mini")
    add(
        "--trials",
        type=int,
        help="trials per study under external tuning; default: as the rules say at scale full or "
        "with --search_space, else 1 with the submission's default point",
    )
    add(
        "--search_space",
        type=Path,
        metavar="FILE",
        help="JSON file to draw the points from, in place of the submission's own search space",
    )
    add("--seed", type=int, default=0, help="decides points and every random draw (default: 0)")
    add("--replicas", type=int, help="as for train.py")
    add("--max_steps", type=int, help="end each training after so many steps")
    add("--eval_every_steps", type=int, help="evaluate by steps rather than by time")
    how = p.add_argument_group("how to run it")
    add = how.add_argument
    add("--experiment_dir", type=Path, default=Path("experiments"), help="(default: experiments)")
    add("--cache_dir", type=Path, help="where embedded data are unpacked (~/.cache/algoperf_jax)")
    add(
        "--jobs",
        type=int,
        help="trials at once (default: 1, as trials that share a processor disturb each other's "
        "times; with --engine=ray as many as the cluster has room for)",
    )
    add("--gpus_per_trial", type=int, help="GPUs that each trial has to itself; default: all there")
    add("--cpus_per_trial", type=int, help="CPU cores of a trial, for --engine=ray and --slurm")
    add(
        "--grace_minutes",
        type=float,
        help="how long a trial may run past its budget, evaluations left out, before it is taken "
        "to hang (default: 10 at scale mini, 60 at full)",
    )
    add("--engine", choices=("local", "ray"), default="local", help="(default: local processes)")
    add("--address", help="of a running Ray cluster, for --engine=ray; default: this machine")
    add("--retry_failed", action="store_true", help="run failed trials again, from the beginning")
    add("--overwrite", action="store_true", help="discard all records of this submission and scale")
    instead = p.add_argument_group("instead of running it")
    instead.add_argument("--dry_run", action="store_true", help="print the plan and its cost")
    instead.add_argument(
        "--slurm", type=Path, metavar="FILE", help="write the plan as a Slurm array script"
    )
    return p


def main(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
) -> int:
    """Runs the command; 0 when every trial ran to its end, 1 when one failed, 2 when refused.

    Args:
      arguments: the flags; the process's own if None.
      environment: of the trials' processes; this process's own if None.
    """
    flags = parser().parse_args(arguments)
    choices = checked_choices(flags)
    if choices.scale == "mini":
        print(MINI_NOTICE, flush=True)
    rule_set(choices.rules)
    # The trials' processes need the accelerators' memory, whatever a submission's file computes
    # while it is imported here.
    import jax

    jax.config.update("jax_platforms", "cpu")
    submission = reference_algorithms.get(choices.submission)
    chosen = KNOWN.chosen(flags.workloads, choices.scale)
    suite = plan_suite(choices, submission, chosen, TRAIN)
    if not flags.overwrite:
        check(suite)
    if flags.dry_run:
        slots = flags.jobs or (1 if flags.engine == "local" else None)
        print(listing(suite.trials, statuses(suite), suite.agreement.default_point, slots))
        print(f"the first trial alone: {shlex.join(['python', *suite.jobs[0].command])}")
        return 0
    if flags.engine == "local" and not flags.slurm:
        locate_data(choices, chosen.values())
    if flags.overwrite:
        discard(suite)
    elif flags.retry_failed:
        discard_failed(suite)
    write_plan(suite)
    describe(suite)
    if flags.slurm:
        return write_slurm(flags, suite)
    return supervised(flags, suite, environment)


def checked_choices(flags: argparse.Namespace) -> SuiteChoices:
    """What the flags say is run; raises a `UserError` for flags that do not go together."""
    scale = chosen_scale(flags, needs_data=not flags.dry_run)
    if flags.address and flags.engine != "ray":
        raise UserError("--address names a Ray cluster; it goes with --engine=ray")
    for name in ("jobs", "gpus_per_trial", "cpus_per_trial", "replicas", "max_steps"):
        value = getattr(flags, name)
        if value is not None and value < 1:
            raise UserError(f"--{name}: {value} given, at least 1 is needed")
    minutes = flags.grace_minutes
    if minutes is not None and minutes <= 0:
        raise UserError(f"--grace_minutes: {minutes} given, it has to be above 0")
    return SuiteChoices(
        submission=flags.submission,
        scale=scale,
        rules=flags.rules,
        tuning=flags.tuning,
        studies=flags.studies,
        trials=flags.trials,
        search_space=flags.search_space,
        seed=flags.seed,
        replicas=flags.replicas,
        max_steps=flags.max_steps,
        eval_every_steps=flags.eval_every_steps,
        data_dir=flags.data_dir,
        cache_dir=flags.cache_dir,
        experiment_dir=flags.experiment_dir,
        grace_seconds=None if minutes is None else 60 * minutes,
    )


def describe(suite: Suite) -> None:
    """Writes what the file beside the submission says of it where scoring reads it."""
    try:
        found = metadata.beside(suite.choices.submission)
    except UserError as error:
        print(f"warning: {error}; the records go without it", file=sys.stderr)
        return
    if found is not None:
        write_json(suite.home / FILE, dataclasses.asdict(found))


def supervised(
    flags: argparse.Namespace, suite: Suite, environment: Mapping[str, str] | None
) -> int:
    """Runs what is still to be done; the exit status."""
    progress = progress_of(suite.jobs, {k: v.state for k, v in statuses(suite).items()})
    still = remaining(suite)
    if not still:
        print("every trial of this plan has ended already")
    engine = engine_of(flags, environment) if still else LocalProcesses(1)
    table = ProgressTable(progress, sys.stdout)
    try:
        run(still, engine, table)
    except KeyboardInterrupt:
        table.close()
        print(
            f"stopped with {counted(len(remaining(suite)), 'trial')} to go; the same command "
            "resumes them",
            file=sys.stderr,
        )
        raise
    except BaseException:
        table.close()
        raise
    table.close()
    for job in suite.jobs:
        if progress.states[job.label] in ("failed", REFUSED, BLOCKED):
            print(f"{progress.states[job.label]}: {job.label}; its output: {job.log}")
    print(f"records: {suite.home}")
    print(f"to score them: {score_command(suite)}")
    return exit_status(set(progress.states.values()))


def exit_status(states: Collection[str]) -> int:
    """0 when every trial ran to its end, 2 when one was refused, else 1."""
    if REFUSED in states:
        return 2
    return 0 if set(states) <= {"reached", "budget exhausted", "training complete"} else 1


def engine_of(flags: argparse.Namespace, environment: Mapping[str, str] | None) -> Engine:
    """The engine that the flags name."""
    if flags.engine == "local":
        return LocalProcesses(flags.jobs or 1, environment, flags.gpus_per_trial)
    try:
        from algoperf_jax.suite.ray_engine import RayEngine
    except ImportError as error:
        raise UserError(
            f"--engine=ray: {error}; install it with: python -m pip install -e '.[cluster]'"
        ) from None
    listening = signal.getsignal(signal.SIGTERM) is stop_on
    engine = RayEngine(
        flags.address,
        most_at_once=flags.jobs,
        gpus=flags.gpus_per_trial,
        most_gpus=8 if flags.data_dir else 1,
        cpus=flags.cpus_per_trial or 1,
        python_path=(environment or os.environ).get("PYTHONPATH"),
    )
    if listening:
        listen()  # Ray has put handlers of its own in place
    return engine


def write_slurm(flags: argparse.Namespace, suite: Suite) -> int:
    """Writes the array script of what is still to be done."""
    still = remaining(suite)
    if not still:
        raise UserError("--slurm: every trial of this plan has ended; there is nothing to submit")
    text = slurm.script(
        still,
        sys.executable,
        name=f"{suite.agreement.submission}_{suite.agreement.tuning}",
        at_once=flags.jobs,
        gpus=flags.gpus_per_trial,
        cpus=flags.cpus_per_trial,
    )
    try:
        still[0].log.parent.mkdir(parents=True, exist_ok=True)  # Slurm writes there from the start
        write_text(flags.slurm, text)
    except OSError as error:
        raise UserError(f"--slurm: cannot write {flags.slurm}: {error.strerror}") from None
    print(f"{counted(len(still), 'task')} in {flags.slurm}; submit them with: sbatch {flags.slurm}")
    print(f"to score them afterwards: {score_command(suite)}")
    return 0


def locate_data(choices: SuiteChoices, loaded: Iterable["Workload"]) -> None:
    """Raises where data are missing: now, rather than after a day of other workloads."""
    from algoperf_jax.trial.setup import DEFAULT_CACHE_DIR

    cache_dir = (choices.cache_dir or DEFAULT_CACHE_DIR).expanduser()
    for workload in loaded:
        workload.locate_data(choices.data_dir, cache_dir)


def stop_on(number: int, frame: Any) -> None:
    """Signal handler: as Ctrl-C does."""
    raise KeyboardInterrupt


def listen() -> None:
    """Makes requests to end, and a terminal that is closed, interrupts."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_on)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    listen()
    answer_for(lambda: main(environment=dict(os.environ)))
