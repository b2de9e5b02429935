"""Times to target, hand-worked from the rules: first hit, study minimum, median."""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from algoperf_jax.scoring.protocol import ScoringProtocol
from algoperf_jax.scoring.times import median_times, runs_from_evaluations, study_times

Rows = Sequence[tuple[float, float, float]]


def run(protocol: ScoringProtocol, rows: Rows, workload: str = "alpha") -> dict[str, object]:
    """What one run of (step, seconds, value) came to."""
    trials = pl.DataFrame({"run": [0], "workload": [workload]}, schema_overrides={"run": pl.UInt32})
    evaluations = pl.DataFrame(
        [(0, *row) for row in rows],
        schema={"run": pl.UInt32, **dict.fromkeys(("step", "seconds", "value"), pl.Float64)},
        orient="row",
    )
    return runs_from_evaluations(trials, evaluations, protocol).row(0, named=True)


def runs(rows: Sequence[tuple[int, int | None, float, float]]) -> pl.DataFrame:
    """Runs of one submission on alpha: (slot, eval_index, step, seconds)."""
    return pl.DataFrame(
        [("s", "alpha", slot, 3, index, step, seconds) for slot, index, step, seconds in rows],
        schema={
            "submission": pl.String,
            "workload": pl.String,
            "slot": pl.Int64,
            "num_evals": pl.Int64,
            "eval_index": pl.Int64,
            "step": pl.Float64,
            "seconds": pl.Float64,
        },
        orient="row",
    )


@pytest.mark.parametrize(("workload", "target"), [("alpha", 0.5), ("beta", 1.0)])
def test_a_target_met_exactly_counts(
    small_protocol: ScoringProtocol, workload: str, target: float
) -> None:
    assert run(small_protocol, [(1, 5.0, target)], workload)["seconds"] == 5.0


@pytest.mark.parametrize(("workload", "past"), [("alpha", -1.0), ("beta", 1.0)])
def test_there_is_no_tolerance(small_protocol: ScoringProtocol, workload: str, past: float) -> None:
    target = small_protocol.facts[workload].target.validation
    value = float(np.nextafter(target, target + past))
    assert run(small_protocol, [(1, 5.0, value)], workload)["seconds"] == math.inf


@pytest.mark.parametrize("workload", ["alpha", "beta"])
def test_nan_never_meets_the_target(small_protocol: ScoringProtocol, workload: str) -> None:
    found = run(small_protocol, [(1, 5.0, math.nan)], workload)
    assert (found["eval_index"], found["seconds"], found["num_evals"]) == (None, math.inf, 1)


def test_a_later_fall_below_the_target_does_not_matter(small_protocol: ScoringProtocol) -> None:
    found = run(small_protocol, [(1, 5.0, 0.1), (2, 9.0, 0.6), (3, 14.0, 0.2)])
    assert (found["eval_index"], found["step"], found["seconds"]) == (1, 2.0, 9.0)


def test_the_first_hit_in_time_counts_whatever_the_order_of_rows(
    small_protocol: ScoringProtocol,
) -> None:
    found = run(small_protocol, [(3, 14.0, 0.7), (1, 5.0, 0.1), (2, 9.0, 0.6)])
    assert (found["eval_index"], found["step"], found["seconds"]) == (1, 2.0, 9.0)


@pytest.mark.parametrize(("seconds", "counts"), [(99.999, True), (100.0, False), (100.1, False)])
def test_the_target_has_to_be_met_before_the_budget(
    small_protocol: ScoringProtocol, seconds: float, counts: bool
) -> None:
    assert (run(small_protocol, [(1, seconds, 0.9)])["seconds"] == seconds) is counts


def test_a_run_without_evaluations_is_a_miss(small_protocol: ScoringProtocol) -> None:
    found = run(small_protocol, [])
    assert (found["num_evals"], found["seconds"]) == (0, math.inf)


def test_a_study_takes_its_smallest_time_or_its_earliest_evaluation(
    small_protocol: ScoringProtocol,
) -> None:
    table = runs([(0, 4, 40.0, 30.0), (0, 3, 50.0, 35.0), (0, None, math.inf, math.inf)])
    assert study_times(table, small_protocol)["s"][0, 0] == 30.0
    first = study_times(table, small_protocol, trial_choice="first_eval")
    assert first["s"][0, 0] == 35.0


def test_equal_evaluations_are_decided_by_the_smaller_time(small_protocol: ScoringProtocol) -> None:
    table = runs([(0, 3, 50.0, 35.0), (0, 3, 60.0, 34.0)])
    for order in (table, table.reverse()):
        found = study_times(order, small_protocol, trial_choice="first_eval")
        assert found["s"][0, 0] == 34.0


def test_time_may_be_counted_in_steps(small_protocol: ScoringProtocol) -> None:
    table = runs([(0, 4, 40.0, 30.0), (0, 3, 50.0, 25.0)])
    assert study_times(table, small_protocol, time="steps")["s"][0, 0] == 40.0


@pytest.mark.parametrize(
    ("reached", "median"), [([10.0, 20.0], math.inf), ([10.0, 20.0, 30.0], 30.0)]
)
def test_missing_studies_count_as_missed(
    small_protocol: ScoringProtocol, reached: list[float], median: float
) -> None:
    table = runs([(slot, 1, 1.0, seconds) for slot, seconds in enumerate(reached)])
    assert median_times(study_times(table, small_protocol))[0, 0] == median


def test_a_workload_without_any_measurement_has_no_data(small_protocol: ScoringProtocol) -> None:
    nothing = runs([(0, None, math.inf, math.inf)]).with_columns(num_evals=pl.lit(0, pl.Int64))
    assert np.isnan(median_times(study_times(nothing, small_protocol))).all()


def test_a_submission_may_have_fewer_studies_planned(small_protocol: ScoringProtocol) -> None:
    table = runs([(0, 1, 1.0, 10.0)])
    assert study_times(table, small_protocol, studies={"s": 1})["s"].shape == (3, 1)
    assert median_times(study_times(table, small_protocol, studies={"s": 1}))[0, 0] == 10.0


def test_a_study_that_is_left_out_leaves_the_median_to_the_others(
    small_protocol: ScoringProtocol,
) -> None:
    """By hand: three of five studies, one of them a miss."""
    table = runs([(0, 1, 1.0, 10.0), (2, None, math.inf, math.inf), (3, 2, 1.0, 30.0)])
    missed = study_times(table, small_protocol)
    left_out = study_times(table, small_protocol, missing="left out")
    assert median_times(missed)[0, 0] == math.inf
    assert median_times(left_out)[0, 0] == 30.0
    np.testing.assert_array_equal(left_out["s"][0], [10, math.nan, math.inf, 30, math.nan])
    assert np.isnan(median_times(left_out)[0, 1:]).all()


@pytest.mark.parametrize("seed", range(20))
def test_the_median_without_nan_is_that_of_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = rng.integers(9, size=(4, 3, rng.integers(1, 7))).astype(float)
    times[times == 8] = math.inf
    np.testing.assert_array_equal(median_times({"s": times})[..., 0, :], np.median(times, -1))
    times[times == 0] = math.nan
    times[0, 0] = math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, about rows without a number
        right = np.nanmedian(times, -1)
    np.testing.assert_array_equal(median_times({"s": times})[..., 0, :], right)
