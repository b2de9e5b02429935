"""Trials on Ray: two nodes of one machine, one of them killed while it runs a trial."""

import csv
import os
import threading
import time
from pathlib import Path

import pytest
import run_suite

from algoperf_jax.files import read_json

TESTS = Path(__file__).parents[2]
STEPS = 6000
FLAGS = [
    *("--engine=ray", "--workloads=suite_workloads:endless", "--jobs=1"),
    *("--eval_every_steps=500", f"--max_steps={STEPS}"),
]


def parent(process):
    with open(f"/proc/{process}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def trial_process(folder):
    """The process that runs train.py with records in the folder; None if there is none."""
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except (OSError, UnicodeDecodeError):
            continue
        if "algoperf_jax.suite.ends_with_parent" in words and f"--experiment_dir={folder}" in words:
            return int(entry.name)
    return None


def rows_of(trial):
    with open(trial / "eval_measurements.csv") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_trial_survives_the_loss_of_its_node_with_its_submission_time_intact(tmp_path, capsys):
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    trial = tmp_path / "mini" / "nadamw" / "study_0" / "endless_jax" / "trial_1"
    seen = {}

    def kill_the_trials_node():
        """Once there are three checkpoints; notes what the record said then."""
        deadline = time.monotonic() + 300
        while not list(trial.glob("checkpoints/1[0-9]00")):
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)
        raylet = parent(parent(trial_process(tmp_path)))
        seen["rows"] = rows_of(trial)
        for node in nodes:
            if node.all_processes["raylet"][0].process.pid == raylet:
                seen["node"] = node
                cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill_the_trials_node)
    killer.start()
    path = f"{TESTS.parent}{os.pathsep}{TESTS}"
    try:
        status = run_suite.main(
            [*FLAGS, f"--address={cluster.address}", f"--experiment_dir={tmp_path}"],
            {**os.environ, "PYTHONPATH": path},
        )
    finally:
        killer.join()
        cluster.shutdown()
    out = capsys.readouterr().out
    assert status == 0, out
    assert "node" in seen, "the trial ran on none of the two nodes"
    assert "lost: endless study 0 trial 1" in out
    assert "resumed: endless study 0 trial 1" in out
    assert "done 1 of 1" in out
    assert read_json(trial / "outcome.json")["status"] == "training complete"

    rows = rows_of(trial)
    assert [int(row["global_step"]) for row in rows] == [1, *range(500, STEPS + 1, 500)]
    # What was on the clock at the last checkpoint before the loss is on it afterwards, once.
    resumed = next(i for i, row in enumerate(rows) if row["preemption_count"] == "1")
    times = [float(row["accumulated_submission_time"]) for row in rows]
    assert rows[: resumed - 1] == seen["rows"][: resumed - 1]
    assert resumed >= 3
    assert times == sorted(times)


@pytest.mark.slow
def test_the_machine_s_own_cluster_is_started_and_left(tmp_path, capsys):
    pytest.importorskip("ray")
    path = f"{TESTS.parent}{os.pathsep}{TESTS}"
    flags = ["--engine=ray", "--workloads=suite_workloads:quick", "--max_steps=2"]
    status = run_suite.main(
        [*flags, f"--experiment_dir={tmp_path}"], {**os.environ, "PYTHONPATH": path}
    )
    assert status == 0
    assert "reached: quick study 0 trial 1" in capsys.readouterr().out
