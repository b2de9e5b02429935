"""Checks a workload against the contract: shapes, counts, padding, replicas, resumption.

python scripts/check_workload.py path/to/my_workload.py
python scripts/check_workload.py ogbg --data_dir=/data
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from command_line import answer_for, chosen_scale

import workloads


def parser() -> argparse.ArgumentParser:
    """The flags."""
    p = argparse.ArgumentParser(
        description="Checks a workload against the contract of workloads. What its model computes "
        "is not looked at: that takes an independent source."
    )
    p.add_argument(
        "workload", metavar="NAME", help="a name, path/to/file.py, or package.module:NAME"
    )
    p.add_argument("--scale", choices=workloads.SCALES, help="default: full with --data_dir")
    p.add_argument("--data_dir", type=Path, help="the folder with the data, for scale full")
    p.add_argument("--cache_dir", type=Path, help="where embedded data are unpacked")
    p.add_argument("--without_data", action="store_true", help="leave out what reads data")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes all checks; 0 when nothing was found, 1 otherwise."""
    flags = parser().parse_args(arguments)
    scale = chosen_scale(flags, needs_data=not flags.without_data)
    # Two devices, so that replicas on several can be compared with those on one.
    os.environ["XLA_FLAGS"] = (
        f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    )
    from algoperf_jax.check.workload import check_workload
    from algoperf_jax.trial.setup import DEFAULT_CACHE_DIR, open_data

    workload = workloads.get(flags.workload, scale)
    data = None
    if not flags.without_data:
        data = open_data(workload, flags.data_dir, flags.cache_dir or DEFAULT_CACHE_DIR)
    found = check_workload(workload, data)
    for name, violation in found.items():
        print(f"{'ok' if violation is None else 'violation':<10} {violation or name}")
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    answer_for(main)
