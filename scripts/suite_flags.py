"""The flags of `run_suite.py`: which of them go together, and what they come to."""

import argparse
from pathlib import Path

from command_line import chosen_scale

import workloads
from algoperf_jax.errors import UserError
from algoperf_jax.suite.choices import SuiteChoices


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
    add(
        "--rules",
        default="v0.5",
        help="edition of the rules: v0.5, v0.6 or v0.6-a100 (default: v0.5)",
    )
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
    add(
        "--checkpoint_every_seconds",
        type=float,
        metavar="SECONDS",
        help="as for train.py (default: a checkpoint after each evaluation)",
    )
    add("--retry_failed", action="store_true", help="run failed trials again, from the beginning")
    add("--overwrite", action="store_true", help="discard all records of this submission and scale")
    instead = p.add_argument_group("instead of running it")
    instead.add_argument("--dry_run", action="store_true", help="print the plan and its cost")
    instead.add_argument(
        "--slurm", type=Path, metavar="FILE", help="write the plan as a Slurm array script"
    )
    return p


def choices_of(flags: argparse.Namespace) -> SuiteChoices:
    """What the flags say is run; raises a `UserError` for flags that do not go together."""
    scale = chosen_scale(flags, needs_data=not flags.dry_run)
    if flags.address and flags.engine != "ray":
        raise UserError("--address names a Ray cluster; it goes with --engine=ray")
    for name in ("jobs", "gpus_per_trial", "cpus_per_trial", "replicas", "max_steps"):
        value = getattr(flags, name)
        if value is not None and value < 1:
            raise UserError(f"--{name}: {value} given, at least 1 is needed")
    distance = flags.checkpoint_every_seconds
    if distance is not None and not distance >= 0:
        raise UserError(f"--checkpoint_every_seconds: {distance} given, at least 0 is needed")
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
        checkpoint_every_seconds=distance,
        data_dir=flags.data_dir,
        cache_dir=flags.cache_dir,
        experiment_dir=flags.experiment_dir,
        grace_seconds=None if minutes is None else 60 * minutes,
    )
