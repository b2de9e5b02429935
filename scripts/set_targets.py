"""Sets a mini workload's targets by the benchmark's own procedure.

    python scripts/set_targets.py --workload=ogbg --output=workloads/ogbg/sample/targets_ogbg.json

AdamW, NAdamW, Nesterov and heavy-ball momentum are tuned on the spaces below; the procedure is that
of `algoperf_jax.suite.target_setting`. Every run is kept in the output file; a run that stands
there is not run again.
"""

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from command_line import answer_for

import reference_algorithms
import workloads
from algoperf_jax.suite.target_setting import Catalogues, RunFile, set_targets

_ADAM_SPACE = {
    "learning_rate": {"min": 3e-4, "max": 3e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 2e-2, "max": 0.3, "scaling": "log"},
    "beta2": {"feasible_points": [0.9, 0.99, 0.999]},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "weight_decay": {"min": 1e-4, "max": 0.3, "scaling": "log"},
    "label_smoothing": {"feasible_points": [0.0]},
    "dropout_rate": {"feasible_points": [0.0, 0.1]},
}
_MOMENTUM_SPACE = {
    "learning_rate": {"min": 2e-2, "max": 10.0, "scaling": "log"},
    "one_minus_beta1": {"min": 5e-3, "max": 0.3, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "weight_decay": {"min": 1e-7, "max": 1e-4, "scaling": "log"},
    "label_smoothing": {"feasible_points": [0.0]},
    "dropout_rate": {"feasible_points": [0.0, 0.1]},
    "decay_steps_factor": {"feasible_points": [0.9]},
    "end_factor": {"feasible_points": [1e-3, 1e-2]},
}
SPACES = {
    "adamw": _ADAM_SPACE,
    "nadamw": _ADAM_SPACE,
    "nesterov": _MOMENTUM_SPACE,
    "momentum": _MOMENTUM_SPACE,
}


def main() -> int:
    """Runs the procedure and writes the file."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--workload", required=True, help="a name, at scale mini")
    p.add_argument("--points", type=int, default=10, help="tuning points per algorithm (10)")
    p.add_argument("--seeds", type=int, default=10, help="runs of the best configuration (10)")
    p.add_argument("--evaluations", type=int, default=20, help="evaluations of each run (20)")
    p.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs side by side")
    p.add_argument("--output", type=Path, required=True, help="JSON file, continued if it exists")
    flags = p.parse_args()
    conclusion = set_targets(
        flags.workload,
        SPACES,
        Catalogues(workloads.get, reference_algorithms.get),
        RunFile(flags.output),
        points=flags.points,
        seeds=flags.seeds,
        evaluations=flags.evaluations,
        jobs=flags.jobs,
        report=show,
    )
    print(json.dumps(conclusion, indent=2))
    return 0


def show(run: Mapping[str, Any]) -> None:
    """Prints a run that has ended."""
    print(
        f"{run['submission']:<9} seed {run['seed']:>2}  {run['status']:<18} "
        f"validation {run['best_validation']:.5f}  test {run['best_test']:.5f}  "
        f"{json.dumps(run['point'])}",
        flush=True,
    )


if __name__ == "__main__":
    answer_for(main)
