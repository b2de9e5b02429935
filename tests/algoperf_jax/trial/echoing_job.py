"""One process of a job that echoes data, for `test_selection_in_jobs.py`.

`python echoing_job.py PORT COUNT INDEX FOLDER`: breaks off after five steps.
"""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax


class Break(BaseException):
    pass


def main(port, count, index, folder):
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", int(count), int(index))

    from toy_runs import ECHOING_SETTINGS, each_batch_twice, run, sgd

    def breaking(batches, carry, moment):
        if moment.step == 5:
            raise Break
        return each_batch_twice(batches, carry, moment)

    try:
        run(submission=sgd(select=breaking), folder=Path(folder), **ECHOING_SETTINGS)
    except Break:
        return
    raise AssertionError("the trial was not broken off")


if __name__ == "__main__":
    main(*sys.argv[1:])
