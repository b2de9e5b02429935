"""Lists the trials below a folder with points, outcomes and times to target, the best first.

python scripts/show_trials.py experiments
python scripts/show_trials.py experiments/mini/nadamw --by=steps --csv=trials.csv
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from command_line import answer_for

from algoperf_jax.files import write_text
from algoperf_jax.scoring import formats
from algoperf_jax.suite.trial_list import listed_trials, trial_tables


def parser() -> argparse.ArgumentParser:
    """The flags."""
    p = argparse.ArgumentParser(
        description="Lists the trials below a folder, also while they run, the best first."
    )
    p.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("experiments"),
        help="of records (default: experiments)",
    )
    p.add_argument("--workloads", nargs="+", metavar="NAME", help="of these alone")
    p.add_argument(
        "--by",
        choices=("seconds", "steps", "metric"),
        default="seconds",
        help="what the best trial is first in: time or steps to target, or the best value of the "
        "metric (default: seconds)",
    )
    p.add_argument("--csv", type=Path, metavar="FILE", help="the tables in one CSV file as well")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command."""
    flags = parser().parse_args(arguments)
    trials = listed_trials(flags.folder)
    if flags.workloads:
        trials = [trial for trial in trials if trial.workload in flags.workloads]
    tables = trial_tables(trials, flags.by)
    print("\n".join(map(formats.as_text, tables)), end="")
    if flags.csv:
        write_text(flags.csv, "\n".join(map(formats.as_csv, tables)))
    return 0


if __name__ == "__main__":
    answer_for(main)
