"""Measures where a workload's time goes, as ratios within one process.

    python scripts/benchmark.py --workload=ogbg --part=loop --batch_size=1024
    python scripts/benchmark.py --workload=ogbg --part=input

loop    wall time per step of the timed loop over that of the bare compiled step; both are given the
        same batches, built beforehand
input   building a training batch on the host over the bare step that consumes it
"""

import argparse
import dataclasses
import itertools
import os
import statistics
import time
from pathlib import Path
from typing import Any

from command_line import answer_for

import reference_algorithms
import workloads

WARM_UP_STEPS = 5


def main() -> int:
    """Measures as the flags say; prints a line per repetition, then two ratios that sum them up."""
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--workload", required=True, help="a name; see scripts/train.py --list")
    p.add_argument("--part", choices=("loop", "input"), default="loop")
    p.add_argument("--submission", default="adamw", help="whose step to measure (default: adamw)")
    p.add_argument("--batch_size", type=int, help="global batch size")
    p.add_argument("--replicas", type=int, help="replicas that share the devices")
    p.add_argument("--steps", type=int, default=40, help="steps per measurement (default: 40)")
    p.add_argument("--repetitions", type=int, default=5, help="measurements (default: 5)")
    p.add_argument("--data_dir", type=Path, help="measure scale full on these data")
    flags = p.parse_args()
    measure = {"loop": loop_overhead, "input": input_share}[flags.part]
    pairs = [measure(*set_up(flags), flags.steps) for _ in range(flags.repetitions)]
    median = statistics.median(seconds / bare for seconds, bare in pairs)
    # What else a machine does only ever adds time, so the fastest of each is the cleaner reading.
    fastest = min(seconds for seconds, _ in pairs) / min(bare for _, bare in pairs)
    print(f"median ratio {median:.4f}, ratio of the fastest {fastest:.4f}, of {len(pairs)} pairs")
    return 0


def set_up(flags: argparse.Namespace) -> tuple[Any, Any]:
    """The trial that the flags describe, and the host batches that its first steps consume."""
    from algoperf_jax.trial import Settings, set_up

    trial = set_up(
        workloads.get(flags.workload, "full" if flags.data_dir else "mini"),
        reference_algorithms.get(flags.submission),
        Settings(replicas=flags.replicas, batch_size=flags.batch_size, data_dir=flags.data_dir),
    )
    batches = trial.workload.dataset(
        "train",
        trial.source,
        batch_size=trial.problem.batch_size,
        replicas=trial.layout.count,
        seed=trial.data_seed,
    )
    return trial, list(itertools.islice(batches, flags.steps))


def loop_overhead(trial: Any, host_batches: list, steps: int) -> tuple[float, float]:
    """Seconds per step of the timed loop, and of the bare step."""
    from algoperf_jax.progress import Silent
    from algoperf_jax.training import TimedLoop

    bare = bare_step_seconds(trial, host_batches)

    marks: list[float] = []

    def select(stream: Any) -> Any:
        marks.append(time.perf_counter())
        return next(stream)

    def built_beforehand(split: str, source: Path, **arguments: Any) -> Any:
        if split == "train":
            return itertools.cycle(host_batches)
        return trial.workload.dataset(split, source, **arguments)

    looped_trial = dataclasses.replace(
        trial,
        workload=dataclasses.replace(trial.workload, dataset=built_beforehand),
        problem=dataclasses.replace(trial.problem, eval_period_seconds=float("inf")),
        submission=dataclasses.replace(trial.submission, select=select),
        settings=dataclasses.replace(trial.settings, max_steps=steps),
    )
    TimedLoop(looped_trial, None, time.perf_counter, Silent(), profile=False).run()
    # The first steps compile and evaluate; marks are taken in steady state, where each begins when
    # the step before last has finished.
    looped = (marks[-1] - marks[WARM_UP_STEPS]) / (len(marks) - 1 - WARM_UP_STEPS)
    print(
        f"bare step {1e3 * bare:.2f} ms, step in the loop {1e3 * looped:.2f} ms, "
        f"ratio {looped / bare:.4f}",
        flush=True,
    )
    return looped, bare


def input_share(trial: Any, host_batches: list, steps: int) -> tuple[float, float]:
    """Seconds to build a batch, and of the bare step that consumes it."""
    batches = trial.workload.dataset(
        "train",
        trial.source,
        batch_size=trial.problem.batch_size,
        replicas=trial.layout.count,
        seed=trial.data_seed,
    )
    began = time.perf_counter()
    for _ in range(steps):
        next(batches)
    building = (time.perf_counter() - began) / steps
    bare = bare_step_seconds(trial, host_batches)
    print(
        f"batch {1e3 * building:.2f} ms, bare step {1e3 * bare:.2f} ms, "
        f"ratio {building / bare:.4f}",
        flush=True,
    )
    return building, bare


def bare_step_seconds(trial: Any, host_batches: list) -> float:
    """Seconds per compiled step, batches on the device beforehand, one wait at the end."""
    import jax

    from algoperf_jax.programs import Programs

    programs, layout = Programs(trial), trial.layout
    step, inputs = programs.step(None), programs.inputs(0.0)
    state = layout.put_state(trial.initial_state())
    batches = jax.block_until_ready([layout.put_batch(batch) for batch in host_batches])
    for batch in batches[:WARM_UP_STEPS]:
        state, _ = step(state, batch, inputs)
    jax.block_until_ready(state)
    began = time.perf_counter()
    for batch in batches[WARM_UP_STEPS:]:
        state, logs = step(state, batch, inputs)
    jax.block_until_ready((state, logs))
    return (time.perf_counter() - began) / len(batches[WARM_UP_STEPS:])


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    answer_for(main)
