"""Trains one workload with one submission until the target, the budget or an error ends it.

python scripts/train.py --workload=ogbg
python scripts/train.py --workload=ogbg --submission=my_algorithm.py --seed=1
python scripts/train.py --workload=ogbg --data_dir=/data --rules=v0.6 --tuning=self
"""

import argparse
import logging
import os
from pathlib import Path
from typing import Any

from command_line import answer_for, chosen_scale, tell

import reference_algorithms
import workloads
from algoperf_jax.errors import MachineError, UserError
from algoperf_jax.files import check_can_write
from algoperf_jax.point_text import read_point

MINI_NOTICE = (
    "scale mini: a small model on embedded data, for development. This is not a benchmark result; "
    "--data_dir=DIR runs the benchmark."
)


def parser() -> argparse.ArgumentParser:
    """The flags; importing what they name happens later."""
    p = argparse.ArgumentParser(
        description="Trains one workload with one submission until the validation target is hit.",
        epilog="Run the same command again to resume an interrupted run. Exit status: 0 when the "
        "trial ran to its end, 1 when it failed, 2 when the command is at fault, 3 when only this "
        "trial cannot begin: its folder holds another one, is in use, or cannot be resumed, 4 when "
        "the machine failed (a full disk, a closed pipe) and the same command goes on.",
    )
    add_what_to_train(p.add_argument_group("what to train"))
    add_rules(p.add_argument_group("rules"))
    add_the_run(p.add_argument_group("the run"))
    add_job(p.add_argument_group("several machines"))
    p.add_argument("--list", action="store_true", help="list workloads and submissions, then exit")
    return p


def add_what_to_train(what: Any) -> None:
    """Flags that name workload, submission, point and data."""
    what.add_argument("--workload", help="a name from --list, or your own as package.module:NAME")
    what.add_argument(
        "--submission",
        default="nadamw",
        help="a name from --list, or your own as path/to/file.py or package.module:NAME "
        "(default: nadamw)",
    )
    what.add_argument(
        "--hyperparameters",
        nargs="+",
        metavar="JSON|KEY=VALUE",
        help="values in place of the submission's defaults: a JSON object, a file that holds one, "
        "or learning_rate=0.001 weight_decay=0.1 ...",
    )
    what.add_argument(
        "--data_dir",
        type=Path,
        help="folder with the benchmark's data sets (see scripts/prepare_data.py); without it the "
        "run is at scale mini, on data that come with the code",
    )
    what.add_argument(
        "--scale", choices=workloads.SCALES, help="default: full with --data_dir, else mini"
    )


def add_rules(rules: Any) -> None:
    """Flags about rules, budgets and what ends the training."""
    rules.add_argument(
        "--rules",
        default="v0.5",
        help="edition of the rules: v0.5, v0.6 or v0.6-a100 (default: v0.5)",
    )
    rules.add_argument(
        "--tuning",
        choices=("external", "self"),
        default="external",
        help="external: one given point on the workload's budget; self: the submission's own "
        "constants on the longer self-tuning budget (default: external)",
    )
    rules.add_argument(
        "--stop_at",
        choices=("validation", "both"),
        default="validation",
        help="end at the validation target, or go on until the test target too "
        "(default: validation)",
    )
    rules.add_argument("--max_steps", type=int, help="end the training after so many steps")
    rules.add_argument(
        "--eval_every_steps",
        type=int,
        help="evaluate every so many steps instead of once per evaluation period: the same rows "
        "on every machine, for comparisons by steps",
    )


def add_the_run(run: Any) -> None:
    """Flags about randomness, devices and records."""
    run.add_argument("--seed", type=int, default=0, help="decides every random draw (default: 0)")
    run.add_argument("--study", type=int, default=0, help="number of the study (default: 0)")
    run.add_argument("--trial", type=int, default=1, help="number of the trial (default: 1)")
    run.add_argument("--batch_size", type=int, help="global batch size, if not the submission's")
    run.add_argument(
        "--replicas",
        type=int,
        help="parts into which each batch is divided; devices share them (default: 8 at full "
        "scale, the benchmark's accelerators, and one per device at mini)",
    )
    run.add_argument(
        "--experiment_dir",
        type=Path,
        default=Path("experiments"),
        help="where records are kept (default: experiments)",
    )
    run.add_argument(
        "--overwrite", action="store_true", help="discard the record of an earlier, equal run"
    )
    run.add_argument(
        "--retry_failed",
        action="store_true",
        help="discard the record of an earlier, equal run if it failed, whatever version of the "
        "submission's file it ran",
    )
    run.add_argument(
        "--cache_dir", type=Path, help="where embedded data are unpacked (~/.cache/algoperf_jax)"
    )
    run.add_argument(
        "--checkpoint_every_seconds",
        type=float,
        metavar="SECONDS",
        help="wall time between two checkpoints, which follow evaluations (default: one after "
        "each evaluation)",
    )
    run.add_argument(
        "--compilation_cache",
        type=Path,
        metavar="DIR",
        help="keep compiled programs there, so that later starts wait less: for development, as it "
        "takes compilation off the clock, and such a run does not count as a benchmark result",
    )
    run.add_argument(
        "--profile",
        action="store_true",
        help="write a JAX profiler trace of steps 11 to 20 into the record (disturbs its times)",
    )


def add_job(job: Any) -> None:
    """Flags that join this process to others."""
    job.add_argument("--coordinator", metavar="HOST:PORT", help="address of process 0 of the job")
    job.add_argument("--process_count", type=int, help="processes in the job, one per machine")
    job.add_argument("--process_index", type=int, help="number of this process, from 0")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; the exit status is 0, or 1 for a trial that failed.

    Raises:
      UserError: the command is at fault, or, as a `TrialError`, the folder of this trial.
    """
    flags = parser().parse_args(arguments)
    if flags.list:
        print(f"workloads:\n{workloads.CATALOGUE.listing()}")
        print(f"submissions:\n{reference_algorithms.CATALOGUE.listing()}")
        return 0
    if not flags.workload:
        raise UserError("--workload is missing; --list shows the names there are")
    scale = chosen_scale(flags)
    if scale == "mini":
        print(MINI_NOTICE, flush=True)
    join_job(flags)
    return train(flags, scale)


def train(flags: argparse.Namespace, scale: str) -> int:
    """Trains as the flags say."""
    # JAX is imported from here on: --help, --list and misspelt flags answer without it.
    from algoperf_jax.trial.progress import Lines
    from algoperf_jax.trial.records import TRACEBACK, trial_folder
    from algoperf_jax.trial.settings import Settings
    from algoperf_jax.trial.setup import DEFAULT_CACHE_DIR
    from algoperf_jax.trial.training import train

    leave_reports_to_the_kit()
    workload = workloads.get(flags.workload, scale)
    submission = reference_algorithms.get(flags.submission)
    settings = Settings(
        rules=flags.rules,
        tuning=flags.tuning,
        hyperparameters=read_point(flags.hyperparameters, submission.hyperparameters),
        seed=flags.seed,
        study=flags.study,
        trial=flags.trial,
        replicas=flags.replicas,
        batch_size=flags.batch_size,
        max_steps=flags.max_steps,
        stop_at=flags.stop_at,
        eval_every_steps=flags.eval_every_steps,
        data_dir=flags.data_dir,
        checkpoint_every_seconds=flags.checkpoint_every_seconds,
        compilation_cache=flags.compilation_cache and flags.compilation_cache.resolve(),
    )
    check_can_write(flags.experiment_dir, "--experiment_dir")
    folder = trial_folder(
        flags.experiment_dir, scale, submission.name, flags.study, workload.name, flags.trial
    )
    try:
        result = train(
            workload,
            submission,
            settings,
            folder=folder,
            cache_dir=flags.cache_dir or DEFAULT_CACHE_DIR,
            reporter=Lines(),
            profile=flags.profile,
            raise_failure=False,
            overwrite=flags.overwrite,
            retry_failed=flags.retry_failed,
        )
    except MachineError as error:
        without = "; leave out --overwrite to go on" if flags.overwrite else ""
        return end_of_process(f"{error}{without}", error.exit_status, flags)
    except KeyboardInterrupt:
        without = " without --overwrite" if flags.overwrite else ""
        tell(f"the same command{without} {what_comes_next(folder)}")
        raise
    if result.outcome.status == "failed":
        where = [result.excerpt] if result.excerpt else []
        where.append(f"  the whole traceback: {folder / TRACEBACK}")
        reason = "\n".join([f"the trial failed: {result.outcome.reason}", *where])
        return end_of_process(reason, 1, flags)
    return 0


def what_comes_next(folder: Path) -> str:
    """What the command does when it is run again after an interruption."""
    from algoperf_jax.trial.checkpoints import newest_step

    step = newest_step(folder / "checkpoints")
    return "begins anew: there is no checkpoint yet" if step is None else f"goes on at step {step}"


def leave_reports_to_the_kit() -> None:
    """Of errors that orbax raises it also logs the tracebacks, from all of its threads."""
    logging.getLogger("absl").addFilter(lambda record: "orbax" not in record.pathname)


def end_of_process(reason: str, status: int, flags: argparse.Namespace) -> int:
    """Prints why the process ends, and returns the status with which it does."""
    tell(f"error: {reason}")
    if flags.coordinator:
        # The other processes wait in a collective; only the loss of this one ends them.
        os._exit(status)
    return status


def join_job(flags: argparse.Namespace) -> None:
    """Joins the other processes of the job, if the flags name one."""
    job = (flags.coordinator, flags.process_count, flags.process_index)
    if job == (None, None, None):
        return
    if None in job:
        raise UserError("--coordinator, --process_count and --process_index go together")
    import jax

    try:
        jax.distributed.initialize(*job)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"cannot join the job at {flags.coordinator}: {reason}") from None


if __name__ == "__main__":
    # TensorFlow, which only reads and writes files here, is talkative about missing GPUs.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    answer_for(main)
