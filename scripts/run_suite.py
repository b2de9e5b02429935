"""Runs a submission over workloads x studies x trials, and goes on where it stopped.

python scripts/run_suite.py --submission=nadamw --tuning=self
python scripts/run_suite.py --submission=my_algorithm.py --workloads ogbg wmt --trials=5 --jobs=2
python scripts/run_suite.py --submission=adamw --data_dir=/data --rules=v0.6 --dry_run
"""

import argparse
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import suite_plan
from command_line import answer_for, chosen_scale
from suite_plan import Suite
from train import MINI_NOTICE

import workloads
from algoperf_jax.errors import UserError
from algoperf_jax.files import write_json, write_text
from algoperf_jax.suite import plan_file, slurm
from algoperf_jax.suite.listing import listing
from algoperf_jax.suite.plan import counted
from algoperf_jax.suite.processes import LocalProcesses
from algoperf_jax.suite.progress_table import ProgressTable, progress_of
from algoperf_jax.suite.scheduler import Engine, run
from algoperf_jax.suite.supervision import REFUSED, Job
from algoperf_jax.suite.trial_status import TrialStatus, trial_status


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
    scale = checked_scale(flags)
    if scale == "mini":
        print(MINI_NOTICE, flush=True)
    suite = suite_plan.suite(flags, scale)
    plan_json = suite.home / "plan.json"
    if not flags.overwrite:
        plan_file.check(plan_json, suite.agreement)
        for trial, job in zip(suite.trials, suite.jobs, strict=True):
            suite_plan.check_record(trial, job, suite)
    statuses = {job.label: trial_status(job.folder) for job in suite.jobs}
    if flags.dry_run:
        slots = flags.jobs or (1 if flags.engine == "local" else None)
        print(listing(suite.trials, statuses, suite.agreement.default_point, slots))
        print(f"the first trial alone: {shlex.join(['python', *suite.jobs[0].command])}")
        return 0
    if flags.engine == "local" and not flags.slurm:
        check_data(flags, suite)
    if flags.overwrite:
        discard(suite.home)
    elif flags.retry_failed:
        discard_failed(suite.jobs, statuses)
    plan_file.write(plan_json, suite.agreement)
    described, fault = suite_plan.metadata(flags.submission)
    if described:
        write_json(suite.home / "submission.json", described)  # scoring reads it there
    elif fault:
        print(f"warning: {fault}; the records go without it", file=sys.stderr)
    statuses = {job.label: trial_status(job.folder) for job in suite.jobs}
    still = [job for job in suite.jobs if not statuses[job.label].ended]
    if flags.slurm:
        return write_slurm(flags, suite, still)
    states = supervised(flags, suite, still, statuses, environment)
    print(f"records: {suite.home}")
    print(f"to score them: {suite_plan.score_command(flags, suite)}")
    if REFUSED in states:
        return 2
    good = {"reached", "budget exhausted", "training complete"}
    return 0 if set(states) <= good else 1


def checked_scale(flags: argparse.Namespace) -> str:
    """The scale; raises a `UserError` for flags that do not go together."""
    scale = chosen_scale(flags, needs_data=not flags.dry_run)
    if flags.address and flags.engine != "ray":
        raise UserError("--address names a Ray cluster; it goes with --engine=ray")
    for name in ("jobs", "gpus_per_trial", "cpus_per_trial", "replicas", "max_steps"):
        value = getattr(flags, name)
        if value is not None and value < 1:
            raise UserError(f"--{name}: {value} given, at least 1 is needed")
    if flags.grace_minutes is not None and flags.grace_minutes <= 0:
        raise UserError(f"--grace_minutes: {flags.grace_minutes} given, it has to be above 0")
    return scale


def supervised(
    flags: argparse.Namespace,
    suite: Suite,
    still: Sequence[Job],
    statuses: Mapping[str, TrialStatus],
    environment: Mapping[str, str] | None,
) -> list[str]:
    """Runs what is still to be done; how every trial of the plan stands afterwards."""
    states = {label: found.state for label, found in statuses.items()}
    progress = progress_of(suite.jobs, states)
    if not still:
        print("every trial of this plan has ended already")
    engine = engine_of(flags, environment) if still else LocalProcesses(1)
    table = ProgressTable(progress, sys.stdout)
    try:
        run(still, engine, table)
    except KeyboardInterrupt:
        table.close()
        left = sum(not trial_status(job.folder).ended for job in suite.jobs)
        print(
            f"stopped with {counted(left, 'trial')} to go; the same command resumes them",
            file=sys.stderr,
        )
        raise
    except BaseException:
        table.close()
        raise
    table.close()
    for job in suite.jobs:
        if progress.states[job.label] in ("failed", REFUSED):
            print(f"{progress.states[job.label]}: {job.label}; its output: {job.log}")
    return list(progress.states.values())


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


def write_slurm(flags: argparse.Namespace, suite: Suite, still: Sequence[Job]) -> int:
    """Writes the array script of what is still to be done."""
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
    print(f"to score them afterwards: {suite_plan.score_command(flags, suite)}")
    return 0


def check_data(flags: argparse.Namespace, suite: Suite) -> None:
    """Raises where data are missing: now, rather than after a day of other workloads."""
    cache_dir = (flags.cache_dir or suite_plan.DEFAULT_CACHE_DIR).expanduser()
    for workload in suite.workloads.values():
        workload.locate_data(flags.data_dir, cache_dir)


def discard(home: Path) -> None:
    """Removes the plan, all studies and logs of a submission."""
    for path in [*home.glob("study_*"), home / "logs"]:
        if path.is_dir():
            shutil.rmtree(path)
    (home / "plan.json").unlink(missing_ok=True)


def discard_failed(jobs: Sequence[Job], statuses: Mapping[str, TrialStatus]) -> None:
    """Removes the records of failed trials."""
    for job in jobs:
        if statuses[job.label].state == "failed":
            shutil.rmtree(job.folder)


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
