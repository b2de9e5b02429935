"""One process of a job that echoes data, for `test_selection_in_jobs.py`.

`python echoing_job.py PORT COUNT INDEX FOLDER`: breaks off after five steps.
"""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
)

import jax


def main(port, count, index, folder):
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", int(count), int(index))

    from interruptions import Interrupt, InterruptIn
    from toy_runs import ECHOING_SETTINGS, each_batch_twice, run, sgd

    try:
        run(
            submission=sgd(select=each_batch_twice),
            folder=Path(folder),
            reporter=InterruptIn(step=6),
            **ECHOING_SETTINGS,
        )
    except Interrupt:
        return
    raise AssertionError("the trial was not broken off")


if __name__ == "__main__":
    main(*sys.argv[1:])
