"""Fields with studies drawn anew, against all fields there can be, counted one by one."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from algoperf_jax.rules import RULE_SETS
from algoperf_jax.scoring.protocol import ScoringProtocol
from algoperf_jax.scoring.results import ScoringResults
from algoperf_jax.scoring.sensitivity import scores
from algoperf_jax.scoring.trust.drawn_fields import R_MAXES, drawn_fields, scores_by_r_max

DRAWS = 20_000
TOLERANCE = 4 * 0.5 / math.sqrt(DRAWS)  # four standard deviations of a share

INF, NAN = math.inf, math.nan
STUDIES = {
    "a": [[10.0, 12.0, INF], [5.0, 5.0, 7.0]],
    "b": [[11.0, 11.5, 13.0], [6.0, NAN, NAN]],
    "c": [[INF, INF, 20.0], [NAN, NAN, NAN]],
}


@pytest.fixture
def small(results: ScoringResults, small_protocol: ScoringProtocol) -> ScoringResults:
    """Three submissions on two workloads, studies missing here and there."""
    protocol = dataclasses.replace(small_protocol, base=("alpha", "beta"), held_out=())
    times = {name: np.array(rows) for name, rows in STUDIES.items()}
    medians = np.array(
        [[median(row) for row in rows] for rows in STUDIES.values()], dtype=np.float64
    )
    return dataclasses.replace(
        results,
        protocol=protocol,
        submissions=tuple(STUDIES),
        study_times=times,
        times_SxW=medians,
        budgets_W=np.array([100.0, 100.0]),
        baseline="a",
    )


def median(row: list[float]) -> float:
    there = sorted(x for x in row if not math.isnan(x))
    return there[len(there) // 2] if there else NAN


def all_medians(row: list[float]) -> list[float]:
    """The medians of all draws of as many studies as there are, with replacement."""
    there = [x for x in row if not math.isnan(x)]
    if not there:
        return [NAN]
    return [sorted(d)[len(d) // 2] for d in itertools.product(there, repeat=len(there))]


def test_shares_are_those_of_all_draws(small: ScoringResults) -> None:
    found = drawn_fields(small, draws=DRAWS)
    r_max = RULE_SETS["v0.5"].r_max
    tables = [
        [list(pair) for pair in itertools.product(*(all_medians(row) for row in rows))]
        for rows in STUDIES.values()
    ]
    fields = np.array(list(itertools.product(*tables)))
    points = scores(fields, (), r_max)
    for i, j in itertools.permutations(range(3), 2):
        better = (points[:, i] > points[:, j]).mean() + 0.5 * (points[:, i] == points[:, j]).mean()
        assert found.better_SxS[i, j] == pytest.approx(better, abs=TOLERANCE)
        for b in range(2):
            x, y = (np.nan_to_num(fields[:, k, b], nan=INF) for k in (i, j))
            faster = (x < y).mean() + 0.5 * (x == y).mean()
            assert found.faster_SxSxB[i, j, b] == pytest.approx(faster, abs=TOLERANCE)
    leads = [
        np.mean((points[:, i] == points.max(1)) / (points == points.max(1, keepdims=True)).sum(1))
        for i in range(3)
    ]
    np.testing.assert_allclose(found.ranks_SxR[:, 0], leads, atol=TOLERANCE)
    np.testing.assert_allclose(found.ranks_SxR.sum(axis=0), 1)
    np.testing.assert_allclose(found.ranks_SxR.sum(axis=1), 1)


def test_intervals_hold_what_is_drawn_and_no_more(small: ScoringResults) -> None:
    found = drawn_fields(small, draws=DRAWS)
    # 27 draws: the median is a miss in 7 of them, 10 in 7 and 12 in 13.
    np.testing.assert_array_equal(found.times_SxWx2[0, 0], [10, INF])
    np.testing.assert_array_equal(found.times_SxWx2[1, 1], [6, 6])
    np.testing.assert_array_equal(found.times_SxWx2[2, 1], [NAN, NAN])
    assert found.speedups_SxBx2 is not None
    np.testing.assert_allclose(found.speedups_SxBx2[1, 1], [5 / 6, 7 / 6])
    np.testing.assert_array_equal(found.speedups_SxBx2[0], 1)


def test_scores_grow_with_the_largest_ratio(results: ScoringResults) -> None:
    found = scores_by_r_max(results)
    np.testing.assert_allclose(found[R_MAXES.index(4.0)], results.exact_S)
    assert (np.diff(found, axis=0) > -1e-12).all()
