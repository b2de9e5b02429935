"""What plots show."""

import numpy as np
import pytest

from algoperf_jax.scoring.curves import Curve
from algoperf_jax.scoring.leaderboard import Leaderboard
from algoperf_jax.scoring.lines import line_style
from algoperf_jax.scoring.page.plots import (
    Line,
    Plot,
    profile_plot,
    submission_lines,
    workload_plot,
)


@pytest.fixture
def profile(leaderboard: Leaderboard) -> Plot:
    """The profiles of the leaderboard."""
    return profile_plot(leaderboard, submission_lines(leaderboard))


def test_a_profile_is_a_step_function_that_jumps_at_the_ratios(profile: Plot) -> None:
    # baseline takes 10 s of 10 on alpha and 20 s of 9 on beta: ratios 1 and 2.22.
    baseline = next(trace for trace in profile.data if trace["name"] == "baseline")
    assert baseline["line"]["shape"] == "hv"
    heights = dict(zip(baseline["x"], baseline["y"], strict=True))
    assert heights[1.0] == heights[2.2] == 0.5
    assert heights[2.222222] == heights[4.0] == 1.0


def test_names_are_escaped_as_plotly_reads_markup_in_them(profile: Plot) -> None:
    names = [trace["name"] for trace in profile.data]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in names
    assert not any("<" in name for name in names)


def test_each_line_keeps_its_style_in_all_plots(leaderboard: Leaderboard) -> None:
    lines = submission_lines(leaderboard)
    assert len({line.style for line in lines.values()}) == 3
    curve = next(curve for curve in leaderboard.curves if curve.submission == "baseline")
    plot = workload_plot("alpha", leaderboard.results.protocol, [(lines["baseline"], curve)])
    assert plot.data[0]["meta"]["line"] == lines["baseline"].key
    assert plot.data[0]["line"]["dash"] == lines["baseline"].style.dash


def test_a_workload_shows_target_budget_and_where_it_was_met(leaderboard: Leaderboard) -> None:
    lines = submission_lines(leaderboard)
    curve = next(curve for curve in leaderboard.curves if curve.submission == "baseline")
    plot = workload_plot("alpha", leaderboard.results.protocol, [(lines["baseline"], curve)])
    target, budget = plot.layout["shapes"]
    assert target["y0"] == target["y1"] == 0.5 and budget["x0"] == budget["x1"] == 100.0
    assert plot.data[0]["x"] == [1.0, 10.0] and plot.data[0]["marker"]["size"] == [0, 9]
    low, high = plot.layout["yaxis"]["range"]
    assert low < 0.5 and high > 0.7
    assert "1 of 1 runs shown reach it" in plot.description


def test_missing_values_are_gaps(leaderboard: Leaderboard) -> None:
    values = np.array([0.1, np.nan, np.inf])
    curve = Curve("x", "alpha", 0, 1, np.arange(3.0), values, None, np.inf)
    line = Line("line-0", "x", line_style(0))
    plot = workload_plot("alpha", leaderboard.results.protocol, [(line, curve)])
    assert plot.data[0]["y"] == [0.1, None, None]


def test_a_run_without_any_value_is_drawn_around_the_target(leaderboard: Leaderboard) -> None:
    curve = Curve("x", "beta", 0, 1, np.array([1.0]), np.array([np.nan]), None, np.inf)
    line = Line("line-0", "x", line_style(0))
    low, high = workload_plot("beta", leaderboard.results.protocol, [(line, curve)]).layout[
        "yaxis"
    ]["range"]
    assert low < 1.0 < high


def test_plots_are_what_plotly_takes(leaderboard: Leaderboard, profile: Plot) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    lines = submission_lines(leaderboard)
    runs = [
        (lines[curve.submission], curve) for curve in leaderboard.curves if curve.workload == "beta"
    ]
    for plot in (profile, workload_plot("beta", leaderboard.results.protocol, runs)):
        graph_objects.Figure({"data": plot.data, "layout": plot.layout})
