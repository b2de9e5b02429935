"""The procedure that sets targets: its arithmetic, its file, one training."""

import pytest
from toy_runs import sgd
from toy_workload import toy

from algoperf_jax.errors import UserError
from algoperf_jax.rules import Limits
from algoperf_jax.suite.target_setting import (
    Catalogues,
    RunFile,
    TargetRun,
    set_targets,
    targets_of,
    train,
)

SPACE = {"learning_rate": {"feasible_points": [0.1, 0.2]}}
RUNS = [TargetRun("toy", "sgd", {"learning_rate": rate}, 0) for rate in (0.1, 0.2)]


def row(run, validation, test=0.0, status="training complete", direction="max"):
    return {
        "workload": run.workload,
        "submission": run.submission,
        "point": run.point,
        "seed": run.seed,
        "status": status,
        "direction": direction,
        "steps": 30,
        "best_validation": validation,
        "best_test": test,
    }


# By the procedure: median of 3, 4, 6 is 4; of the runs that reach it the worse test value counts.
@pytest.mark.parametrize(("sign", "tests", "target"), [(1.0, (1, 2, 5), 2), (-1.0, (9, 2, 11), 9)])
def test_targets_are_the_median_and_the_worst_test_value_of_those_that_reach_it(
    sign, tests, target
):
    rows = [row(RUNS[0], v, t) for v, t in zip((3.0, 4.0, 6.0), tests, strict=True)]
    found = targets_of(RUNS[0], rows, sign)
    assert (found["validation_target"], found["test_target"]) == (4.0, target)


def nothing_is_trained(*arguments):
    raise AssertionError("every run stands in the file")


def file_of(tmp_path, rows):
    file = RunFile(tmp_path / "targets.json")
    for one in rows:
        file.add(one)
    return RunFile(file.path)


def test_the_best_configuration_is_repeated_and_runs_in_the_file_are_not_run_again(tmp_path):
    best = [TargetRun("toy", "sgd", {"learning_rate": 0.2}, seed) for seed in (1, 2, 3)]
    rows = [row(RUNS[0], 0.1), row(RUNS[1], 0.5), *(row(run, 0.25, 0.75) for run in best)]
    file = file_of(tmp_path, rows)
    there = Catalogues(nothing_is_trained, nothing_is_trained)
    found = set_targets("toy", {"sgd": SPACE}, there, file, points=2, seeds=3)
    assert found["hyperparameters"] == {"learning_rate": 0.2}
    assert (found["validation_target"], found["test_target"]) == (0.25, 0.75)
    assert RunFile(file.path).has(best[2])


def test_where_every_tuning_run_failed_there_is_no_target(tmp_path):
    file = file_of(tmp_path, [row(run, 0.1, status="failed") for run in RUNS])
    there = Catalogues(nothing_is_trained, nothing_is_trained)
    with pytest.raises(UserError, match=r"toy: every tuning run failed; see .*targets\.json"):
        set_targets("toy", {"sgd": SPACE}, there, file, points=2)


def test_a_run_goes_to_its_horizon_whatever_it_reaches():
    def workload(name, scale):
        return toy(limits={"v0.5": Limits(40, 1e-9, 10.0)})

    found = train(RUNS[0], Catalogues(workload, lambda name: sgd()))
    assert found["status"] == "training complete"
    assert found["steps"] == 30  # three quarters of the step hint
    assert len(found["validation_values"]) == 30
    assert found["best_validation"] == pytest.approx(max(found["validation_values"]), abs=1e-6)
