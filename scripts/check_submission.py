"""Checks a submission before it is handed in: metadata, rules that a program can see, two steps.

python scripts/check_submission.py my_algorithm.py
python scripts/check_submission.py my_algorithm.py --workloads ogbg
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from command_line import answer_for
from known_workloads import KNOWN

import reference_algorithms
import workloads
from workloads.facts import BASE, FACTS


def parser() -> argparse.ArgumentParser:
    """The flags."""
    p = argparse.ArgumentParser(
        description="Checks a submission: its metadata, rules that a program can see, and two "
        "steps on each mini workload. A reader of the source finds more."
    )
    p.add_argument("file", metavar="FILE", help="the submission, path/to/file.py or file.py:NAME")
    p.add_argument(
        "--workloads",
        nargs="+",
        default=["base"],
        metavar="NAME",
        help="where to train two steps (default: every base workload there is)",
    )
    p.add_argument("--rules", default="v0.5", help="edition of the rules (default: v0.5)")
    p.add_argument("--cache_dir", type=Path, help="where embedded data are unpacked")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs all checks and prints them; 0 when no rule is broken, 1 otherwise."""
    flags = parser().parse_args(arguments)
    # JAX is imported from here on.
    from algoperf_jax.check.report import KnownFacts, check_submission
    from algoperf_jax.trial.setup import DEFAULT_CACHE_DIR

    kinds = []
    for check in check_submission(
        flags.file,
        reference_algorithms.get,
        list(KNOWN.chosen(flags.workloads, "mini", flags.rules).values()),
        KnownFacts(FACTS, training_examples()),
        flags.rules,
        flags.cache_dir or DEFAULT_CACHE_DIR,
    ):
        if check.passed:
            print(f"ok         {check.name}", flush=True)
        for finding in check.findings:
            print(f"{finding.kind:<10} {finding.text}", flush=True)
            kinds.append(finding.kind)
    print(f"{kinds.count('violation')} violations, {kinds.count('warning')} warnings")
    return 1 if "violation" in kinds else 0


def training_examples() -> dict[str, int]:
    """Numbers of training examples at scale full of the base workloads there are."""
    there = [name for name in BASE if name in KNOWN.names]
    return {name: workloads.get(name, "full").num_examples["train"] for name in there}


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Without an accelerator, two devices to compare; flags of the environment come later and win.
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count=2 {flags}".strip()
    answer_for(main)
