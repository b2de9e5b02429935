"""One process of a job for `test_processes.py`: `python job_process.py PORT COUNT INDEX OUT`."""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
)

import jax


def main(port, count, index, out):
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", int(count), int(index))

    import numpy as np
    from toy_workload import toy

    from algoperf_jax.rules import Target
    from algoperf_jax.trial.replicas import replicas_on
    from algoperf_jax.trial.settings import Settings
    from algoperf_jax.trial.training import train
    from reference_algorithms import get

    result = train(
        toy(target=Target("score", "max", 1.0, 1.0)),
        get("nadamw"),
        Settings(max_steps=6, eval_every_steps=3, replicas=4),
        folder=Path(out),
    )
    assert result.outcome.status == "training complete", result.traceback
    losses = [row["validation/loss"] for row in result.ledger.evaluations]
    leaves = {str(i): x for i, x in enumerate(jax.tree.leaves(result.state))}
    agreed = replicas_on().max_over_processes(1e6 + 1e-9 * int(index))
    np.savez(f"{out}-{index}.npz", losses=losses, agreed=agreed, **leaves)


if __name__ == "__main__":
    main(*sys.argv[1:])
