"""Downloads a workload's data set and converts it to the layout that the workload reads.

python scripts/prepare_data.py ogbg --data_dir ~/data
"""

import argparse
import importlib
import sys
from pathlib import Path

from algoperf_jax.errors import UserError

# Each module has `prepare(data_dir, raw, *, keep_download)`.
PREPARATIONS = {"ogbg": "workloads.ogbg.prepare"}


def main() -> int:
    parser = argparse.ArgumentParser(description="Prepares a workload's data set.")
    parser.add_argument("workload", choices=sorted(PREPARATIONS))
    parser.add_argument(
        "--data_dir", type=Path, required=True, help="where the data sets of all workloads are kept"
    )
    parser.add_argument(
        "--raw",
        type=Path,
        help="the downloaded file, or the folder it was unpacked to: no download",
    )
    parser.add_argument(
        "--keep_download", action="store_true", help="do not delete the downloaded file at the end"
    )
    arguments = parser.parse_args()
    try:
        importlib.import_module(PREPARATIONS[arguments.workload]).prepare(
            arguments.data_dir.expanduser(),
            arguments.raw and arguments.raw.expanduser(),
            keep_download=arguments.keep_download,
        )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
