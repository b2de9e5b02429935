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

from command_line import answer_for
from known_workloads import KNOWN
from suite_flags import choices_of, parser
from train import MINI_NOTICE

import reference_algorithms
from algoperf_jax.check import metadata
from algoperf_jax.errors import UserError
from algoperf_jax.files import check_can_write, write_json, write_text
from algoperf_jax.rules import rule_set
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
    check_set_up,
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


def main(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
) -> int:
    """Runs the command; 0 when every trial ran to its end, 2 when one was refused, else 1.

    Args:
      arguments: the flags; the process's own if None.
      environment: of the trials' processes; this process's own if None.
    """
    flags = parser().parse_args(arguments)
    choices = choices_of(flags)
    if choices.scale == "mini":
        print(MINI_NOTICE, flush=True)
    rule_set(choices.rules)
    # The trials' processes need the accelerators' memory, whatever a submission's file computes
    # while it is imported here.
    import jax

    jax.config.update("jax_platforms", "cpu")
    submission = reference_algorithms.get(choices.submission)
    chosen = KNOWN.chosen(flags.workloads, choices.scale, choices.rules)
    suite = plan_suite(choices, submission, chosen, TRAIN)
    check_set_up(suite, submission, chosen)
    check_can_write(suite.home, "--experiment_dir")
    if flags.slurm:
        check_can_write(flags.slurm, "--slurm", file=True)
    if not flags.overwrite:
        check(suite)
    if flags.dry_run:
        slots = flags.jobs or (1 if flags.engine == "local" else None)
        print(listing(suite.trials, statuses(suite), suite.agreement.default_point, slots))
        print(f"the first trial alone: {shlex.join(['python', *suite.jobs[0].command])}")
        return 0
    if flags.engine == "local" and not flags.slurm:
        check_data(choices, chosen.values())
    if flags.overwrite:
        discard(suite)
    elif flags.retry_failed:
        discard_failed(suite)
    write_plan(suite)
    describe(suite)
    if flags.slurm:
        return write_slurm(flags, suite)
    return supervised(flags, suite, environment)


def describe(suite: Suite) -> None:
    """Writes what the file beside the submission says of it where scoring reads it."""
    from algoperf_jax.scoring.submission_info import FILE  # loads polars

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
    still[0].log.parent.mkdir(parents=True, exist_ok=True)  # Slurm writes there from the start
    write_text(flags.slurm, text)
    print(f"{counted(len(still), 'task')} in {flags.slurm}; submit them with: sbatch {flags.slurm}")
    print(f"to score them afterwards: {score_command(suite)}")
    return 0


def check_data(choices: SuiteChoices, loaded: Iterable["Workload"]) -> None:
    """Raises where data are missing: now, rather than after a day of other workloads."""
    from algoperf_jax.trial.setup import DEFAULT_CACHE_DIR, open_data

    for workload in loaded:
        open_data(workload, choices.data_dir, choices.cache_dir or DEFAULT_CACHE_DIR)


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
