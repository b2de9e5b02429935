"""Curves, and the one that stands for a submission."""

import numpy as np
import polars as pl
import pytest

from algoperf_jax.scoring.curves import Curve, counted_curve, curves
from algoperf_jax.scoring.protocol import ScoringProtocol
from algoperf_jax.scoring.reading import RecordedRuns
from algoperf_jax.scoring.results import results_of


def run(study: int, time: float, values: tuple[float, ...] = (0.1, 0.6)) -> Curve:
    seconds = np.arange(len(values), dtype=np.float64)
    return Curve("x", "alpha", study, 1, seconds, np.array(values), None, time)


def test_a_curve_is_in_order_of_time_and_knows_where_the_target_was_met() -> None:
    runs = pl.DataFrame(
        {
            "run": [7, 8],
            "submission": ["x", "x"],
            "workload": ["alpha", "alpha"],
            "study": [0, 1],
            "trial": [1, 1],
            "eval_index": [1, None],
            "seconds": [5.0, np.inf],
            "step": [50.0, np.inf],
        }
    )
    evaluations = pl.DataFrame(
        {"run": [7, 7], "step": [50.0, 1.0], "seconds": [5.0, 1.0], "value": [0.6, 0.1]}
    )
    (curve,) = curves(runs, evaluations, "steps")
    assert curve.seconds_N.tolist() == [1.0, 5.0] and curve.values_N.tolist() == [0.1, 0.6]
    assert curve.at_target == 1 and curve.time_at_target == 50.0


def test_the_run_with_the_median_time_counts(small_protocol: ScoringProtocol) -> None:
    own = [run(0, 30.0), run(0, 40.0), run(1, 10.0), run(2, 20.0)]
    assert counted_curve(own, np.array([30.0, 10.0, 20.0]), small_protocol) is own[3]


def test_of_two_in_the_middle_the_later_one_counts(small_protocol: ScoringProtocol) -> None:
    own = [run(0, 30.0), run(1, 10.0)]
    assert counted_curve(own, np.array([30.0, 10.0]), small_protocol) is own[0]


def test_where_the_median_misses_the_best_value_counts(small_protocol: ScoringProtocol) -> None:
    own = [run(0, np.inf, (np.nan,)), run(1, np.inf, (0.3, np.nan)), run(2, np.inf, (0.2, 0.1))]
    assert counted_curve(own, np.full(3, np.inf), small_protocol) is own[1]
    lower = [curve._replace(workload="beta") for curve in own]
    assert counted_curve(lower, np.full(3, np.inf), small_protocol) is lower[2]


def test_without_runs_nothing_counts(small_protocol: ScoringProtocol) -> None:
    assert counted_curve([], np.full(3, np.nan), small_protocol) is None


def test_all_published_runs_with_evaluations_have_a_curve(published_records: RecordedRuns) -> None:
    found = curves(published_records.runs, published_records.evaluations)
    measured = published_records.runs.filter(pl.col("num_evals") > 0)
    assert len(found) == measured.height
    hits = [c for c in found if c.at_target is not None]
    assert all(c.seconds_N[c.at_target] == c.time_at_target for c in hits)
    assert len(hits) == measured["eval_index"].count()


def test_published_curves_that_count_end_at_the_medians(published_records: RecordedRuns) -> None:
    result = results_of(published_records.runs, published_records.protocol, draws=10)
    found = curves(published_records.runs, published_records.evaluations)
    for s, name in enumerate(result.submissions):
        for w, workload in enumerate(result.protocol.workloads):
            own = [c for c in found if (c.submission, c.workload) == (name, workload)]
            curve = counted_curve(own, result.study_times[name][w], result.protocol)
            if np.isfinite(result.times_SxW[s, w]):
                assert curve is not None
                assert curve.time_at_target == pytest.approx(result.times_SxW[s, w])
