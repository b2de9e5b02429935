"""Measures where a workload's time goes, as ratios within one process.

    python scripts/benchmark.py --workload=ogbg --part=loop --batch_size=1024
    python scripts/benchmark.py --workload=ogbg --part=input
    python scripts/benchmark.py --workload=imagenet_resnet --part=input
    python scripts/benchmark.py --workload=imagenet_resnet --part=step --scale=full --batch_size=64
    python scripts/benchmark.py --workload=wmt --part=decode
    python scripts/benchmark.py --workload=librispeech_conformer --part=ctc --scale=full

loop    wall time per step of the timed loop over that of the bare compiled step; both are given the
        same batches, built beforehand
input   building a training batch on the host over the bare step that consumes it; for workloads on
        images: images per second and core of the training pipeline at scale full, beside plain
        decoding and resizing of the same files; for those on text: tokens, beside tokenising; on
        speech: utterances, beside decoding FLAC; on clicks: lines, beside parsing their text; on
        scans: slices, beside transforming their measurements
step    the bare compiled step on random data; needs no data and loads no data library
decode  for workloads that translate: a batch decoded as evaluations do, and to the end of its room

For workloads on speech, beside the plain form of the benchmark's specification:

ctc     the loss and its gradient
framing the front-end
lstm    a recurrent layer and its gradient
buckets an evaluation of the mini set, with batches as short as their utterances allow

For the workload on scans, beside the reference's or flax's way:

similarity  the metric
doubling    the transposed convolutions and their gradients
"""

import argparse
import dataclasses
import importlib
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from command_line import answer_for, chosen_scale

import reference_algorithms
import workloads
from algoperf_jax.errors import UserError
from algoperf_jax.rules import DEFAULT_RULES

WARM_UP_STEPS = 5

# Each module has `Throughput(workload, empty_folder)`, whose `pipeline(count)` and
# `yardstick(count)` return `unit`s per second and core.
INPUTS = {
    "criteo1tb": "workloads.criteo1tb.throughput",
    "fastmri": "workloads.fastmri.timing.throughput",
    "imagenet_resnet": "workloads.imagenet.throughput",
    "imagenet_vit": "workloads.imagenet.throughput",
    "wmt": "workloads.wmt.throughput",
    "librispeech_conformer": "workloads.librispeech.timing.throughput",
    "librispeech_deepspeech": "workloads.librispeech.timing.throughput",
}


def _of_speech(module: str) -> dict[str, str]:
    names = ("librispeech_conformer", "librispeech_deepspeech")
    return dict.fromkeys(names, f"workloads.librispeech.timing.{module}")


# Parts that compare two ways to the same result, with a module for each workload that has the
# part. The module has `Comparison(workload, scale)`: see `workloads/comparison.py`.
COMPARISONS = {
    "decode": {"wmt": "workloads.wmt.decoding_time"},
    "ctc": _of_speech("ctc"),
    "framing": _of_speech("framing"),
    "buckets": _of_speech("buckets"),
    "similarity": {"fastmri": "workloads.fastmri.timing.similarity"},
    "doubling": {"fastmri": "workloads.fastmri.timing.doubling"},
    "lstm": {"librispeech_deepspeech": "workloads.librispeech.timing.lstm"},
}


def main() -> int:
    """Measures as the flags say; prints a line per repetition, then what sums them up."""
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--workload", required=True, help="a name; see scripts/train.py --list")
    p.add_argument("--part", choices=("loop", "input", "step", *COMPARISONS), default="loop")
    p.add_argument("--submission", default="adamw", help="whose step to measure (default: adamw)")
    p.add_argument("--rules", default=DEFAULT_RULES, help="whose conditions (default: v0.5)")
    p.add_argument("--batch_size", type=int, help="global batch size")
    p.add_argument("--replicas", type=int, help="replicas that share the devices")
    p.add_argument("--steps", type=int, default=40, help="steps per measurement (default: 40)")
    p.add_argument("--count", type=int, help="images or tokens per measurement of the input")
    p.add_argument("--repetitions", type=int, default=5, help="measurements (default: 5)")
    p.add_argument("--data_dir", type=Path, help="measure scale full on these data")
    p.add_argument(
        "--scale", choices=workloads.SCALES, help="of step and comparisons, which need no data"
    )
    flags = p.parse_args()
    if flags.steps <= WARM_UP_STEPS:
        raise UserError(f"--steps={flags.steps}: the first {WARM_UP_STEPS} warm up, take more")
    scale = chosen_scale(flags, needs_data=flags.part in ("loop", "input"))
    if flags.part == "step":
        step_time(flags, scale)
    elif flags.part in COMPARISONS:
        compare(flags, scale)
    elif flags.part == "input" and flags.workload in INPUTS:
        input_throughput(flags)
    else:
        ratios(flags, scale)
    return 0


def ratios(flags: argparse.Namespace, scale: str) -> None:
    """Prints the ratio of the loop, or of building a batch, to the bare step."""
    measure = {"loop": loop_overhead, "input": input_share}[flags.part]
    workload = workloads.get(flags.workload, scale)
    pairs = []
    for _ in range(flags.repetitions):
        trial = trial_of(flags, workload, flags.data_dir)
        batches = list(itertools.islice(host_batches(trial), flags.steps))
        pairs.append(measure(trial, batches, flags.steps))
    print_ratio(pairs, min)


def trial_of(
    flags: argparse.Namespace, workload: Any, data_dir: Path | None, data: Any = None
) -> Any:
    """The trial that the flags describe."""
    from algoperf_jax.trial.settings import Settings
    from algoperf_jax.trial.setup import set_up

    return set_up(
        workload,
        reference_algorithms.get(flags.submission),
        Settings(
            rules=flags.rules,
            replicas=flags.replicas,
            batch_size=flags.batch_size,
            data_dir=data_dir,
        ),
        data=data,
    )


def host_batches(trial: Any) -> Any:
    """The trial's training batches on the host."""
    share = trial.layout.share(trial.problem.batch_size)
    return trial.workload.dataset("train", trial.data, share, seed=trial.data_seed)


def loop_overhead(trial: Any, host_batches: list, steps: int) -> tuple[float, float]:
    """Seconds per step of the timed loop, and of the bare step."""
    from algoperf_jax.trial.progress import Silent
    from algoperf_jax.trial.training import TimedLoop

    bare = bare_step(trial, host_batches)()

    marks: list[float] = []

    def select(batches: Any, carry: Any, moment: Any) -> Any:
        marks.append(time.perf_counter())
        return next(batches), carry

    def built_beforehand(split: str, data: Any, share: Any, *, seed: int) -> Any:
        if split == "train":
            return itertools.cycle(host_batches)
        return trial.workload.dataset(split, data, share, seed=seed)

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


def input_share(trial: Any, batches: list, steps: int) -> tuple[float, float]:
    """Seconds to build a batch, and of the bare step that consumes it."""
    bare = bare_step(trial, batches)()
    iterator = host_batches(trial)
    next(iterator)  # the first one also starts what works in the background
    began = time.perf_counter()
    for _ in range(steps):
        next(iterator)
    building = (time.perf_counter() - began) / steps
    print(
        f"batch {1e3 * building:.2f} ms, bare step {1e3 * bare:.2f} ms, "
        f"ratio {building / bare:.4f}",
        flush=True,
    )
    return building, bare


def input_throughput(flags: argparse.Namespace) -> None:
    """Prints what a workload's pipeline makes per second and core, and what its yardstick does."""
    module = importlib.import_module(INPUTS[flags.workload])
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        throughput = module.Throughput(workloads.get(flags.workload, "full"), Path(folder))
        count, unit = flags.count or throughput.count, throughput.unit
        print(throughput.description, flush=True)
        for _ in range(flags.repetitions):
            yardstick, pipeline = throughput.yardstick(count), throughput.pipeline(count)
            pairs.append((pipeline, yardstick))
            print(
                f"pipeline {pipeline:,.0f} {unit}/s/core, yardstick {yardstick:,.0f}, "
                f"yardstick over pipeline {yardstick / pipeline:.3f}",
                flush=True,
            )
    print_ratio([(yardstick, pipeline) for pipeline, yardstick in pairs], max)


def compare(flags: argparse.Namespace, scale: str) -> None:
    """Prints the seconds and the memory of two ways to the same result."""
    modules = COMPARISONS[flags.part]
    if flags.workload not in modules:
        raise UserError(f"{flags.workload} has no part {flags.part}; {', '.join(modules)} has")
    module = importlib.import_module(modules[flags.workload])
    comparison = module.Comparison(flags.workload, scale)
    print(comparison.description, flush=True)
    plain, fast = comparison.plain(), comparison.fast()
    check_equal(plain(), fast(), comparison.tolerance)
    for name, way in (("plain", plain), ("fast", fast)):
        if (size := getattr(way, "temporary_bytes", None)) is not None:
            print(f"{name}: {size / 1e6:.1f} MB of temporary memory", flush=True)
    pairs = []
    for _ in range(flags.repetitions):
        began = time.perf_counter()
        plain()
        middle = time.perf_counter()
        fast()
        pairs.append((middle - began, time.perf_counter() - middle))
        print("plain {:.4f} s, fast {:.4f} s".format(*pairs[-1]), flush=True)
    print_ratio(pairs, min)


def check_equal(plain: Any, fast: Any, tolerance: float) -> None:
    """Raises a `UserError` where two results are further apart than the tolerance."""
    import jax
    import numpy as np

    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(fast), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape:
            raise UserError(f"the two ways give shapes {a.shape} and {b.shape}")
        if not np.allclose(a, b, rtol=0, atol=tolerance * np.abs(a).max(initial=0)):
            raise UserError(
                f"the two ways differ by {np.abs(a - b).max():.3g} where values reach "
                f"{np.abs(a).max():.3g}; the tolerance is {tolerance:g} of that"
            )


def print_ratio(pairs: list[tuple[float, float]], fastest: Callable) -> None:
    """Prints the median ratio of pairs, and that of the fastest of each (`min` of times)."""
    median = statistics.median(a / b for a, b in pairs)
    # What else a machine does only ever adds time, so the fastest of each is the cleaner reading.
    best = fastest(a for a, _ in pairs) / fastest(b for _, b in pairs)
    print(f"median ratio {median:.4f}, ratio of the fastest {best:.4f}, of {len(pairs)} pairs")


def step_time(flags: argparse.Namespace, scale: str) -> None:
    """Prints the seconds of the bare step on random batches."""
    workload = workloads.get(flags.workload, scale)
    # Nothing of the data is read, so there is no need that any be there.
    trial = trial_of(flags, workload, Path() if scale == "full" else None, data=())
    size, replicas = trial.problem.batch_size, trial.layout.count
    share = trial.layout.share(size)
    batches = [workload.example_batch(share, seed=seed) for seed in range(2)]
    measure = bare_step(trial, list(itertools.islice(itertools.cycle(batches), flags.steps)))
    seconds = []
    for _ in range(flags.repetitions):
        seconds.append(measure())
        print(f"step {1e3 * seconds[-1]:.2f} ms", flush=True)
    median = statistics.median(seconds)
    print(
        f"{workload.name} at scale {scale}, batch {size} of {replicas} replicas on "
        f"{len(trial.layout.devices)} {trial.layout.devices[0].device_kind}: median "
        f"{1e3 * median:.2f} ms a step, {size / median:.1f} examples a second"
    )


def bare_step(trial: Any, host_batches: list) -> Callable[[], float]:
    """Compiles and warms up the step; what it returns measures the seconds per step.

    Batches are on the device beforehand, and there is one wait, at the end.
    """
    import jax

    from algoperf_jax.trial.programs import Programs

    programs, layout = Programs(trial), trial.layout
    step, inputs = programs.step(None), programs.inputs(0.0)
    # A batch that occurs several times is on the device once.
    placed = {id(batch): layout.put_batch(batch) for batch in host_batches}
    batches = jax.block_until_ready([placed[id(batch)] for batch in host_batches])
    state = layout.put_state(trial.initial_state())
    for batch in batches[:WARM_UP_STEPS]:
        state, _ = step(state, batch, inputs)
    jax.block_until_ready(state)

    def measure() -> float:
        nonlocal state
        began = time.perf_counter()
        for batch in batches[WARM_UP_STEPS:]:
            state, logs = step(state, batch, inputs)
        jax.block_until_ready((state, logs))
        return (time.perf_counter() - began) / len(batches[WARM_UP_STEPS:])

    return measure


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    answer_for(main)
