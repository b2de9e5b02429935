"""What plots show, as the data and the layout that plotly draws.

Colours of the page are not in here: lines carry a light and a dark one, and the page's script
chooses. Plotly reads markup in names, so they are escaped here.
"""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from algoperf_jax.scoring.curves import Curve
from algoperf_jax.scoring.figure import profile_steps
from algoperf_jax.scoring.leaderboard import Leaderboard, ranked
from algoperf_jax.scoring.lines import LineStyle, line_style
from algoperf_jax.scoring.protocol import ScoringProtocol
from algoperf_jax.scoring.trust.drawn_fields import R_MAXES, scores_by_r_max
from algoperf_jax.scoring.trust.relaxation import Relaxation

GRID = 0.02
"""Distance of the points at which a profile can be hovered over."""

HOUR = 3600.0

LONGEST = 60
"""Characters of a name that fit into a plot."""


class Line(NamedTuple):
    """What a legend names and hides: one line in each of several plots.

    Attributes:
      key: of the line on its page.
      label: its name for readers.
      style: its colours and dashes.
    """

    key: str
    label: str
    style: LineStyle


class Plot(NamedTuple):
    """A plot.

    Attributes:
      data, layout: as plotly takes them.
      title: the text above it.
      description: its content in words, for readers who do not see it.
    """

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    title: str
    description: str


def submission_lines(leaderboard: Leaderboard) -> dict[str, Line]:
    """The line of each submission, by rank, the same in all plots of the leaderboard."""
    return {
        name: Line(f"line-{number}", leaderboard.infos[name].name, line_style(number))
        for number, (name, _) in enumerate(ranked(leaderboard.results))
    }


def profile_plot(leaderboard: Leaderboard, lines: Mapping[str, Line]) -> Plot:
    """The performance profiles from 1 to r_max, as steps."""
    results, r_max = leaderboard.results, leaderboard.results.protocol.rules.r_max
    data, parts = [], []
    for name, i in ranked(results):
        taus_T, shares_T = profile_steps(results.ratios_SxB[i], r_max)
        grid_T = np.unique(np.concatenate([taus_T, np.arange(1.0, r_max, GRID)]))
        heights_T = shares_T[np.searchsorted(taus_T, grid_T, side="right") - 1]
        hover = "<b>%{fullData.name}</b><br>%{y:.1%} of workloads within %{x:.2f} times the fastest"
        trace = _trace(lines[name], grid_T.round(6), heights_T.round(6), hover)
        data.append({**trace, "line": {**trace["line"], "shape": "hv"}})
        parts.append(f"{lines[name].label} {results.exact_S[i]:.4f}")
    layout = {
        "xaxis": {"title": {"text": "time relative to the fastest"}, "range": [1, r_max]},
        "yaxis": {
            "title": {"text": "share of workloads"},
            "range": [-0.01, 1.01],
            "tickformat": ".0%",
        },
    }
    description = f"Performance profiles; scores: {', '.join(parts)}."
    return Plot(data, layout, "Performance profile", description)


def relaxation_plot(leaderboard: Leaderboard, lines: Mapping[str, Line], found: Relaxation) -> Plot:
    """The rank of each submission under targets that are relaxed further and further."""
    ranks_PxS = found.ranks_PxS
    data = []
    for name, line in lines.items():
        i = found.submissions.index(name)
        hover = "<b>%{fullData.name}</b><br>targets relaxed by %{x:g} %: rank %{y}, %{text}"
        trace = _trace(line, found.percentages, ranks_PxS[:, i], hover)
        trace["line"]["width"] = 2
        text = [f"score {score:.4f}" for score in found.scores_PxS[:, i]]
        data.append({**trace, "text": text, "mode": "lines+markers", "marker": {"size": 6}})
    layout = {
        "xaxis": {"title": {"text": "targets relaxed by (%)"}, "dtick": 5},
        "yaxis": {
            "title": {"text": "rank"},
            "range": [len(lines) + 0.5, 0.5],
            "dtick": 1 if len(lines) <= 12 else 2,
            "tick0": 1,
        },
    }
    leaders = ", ".join(f"{lines[name].label} from {x:g} % on" for x, name in found.leaders)
    description = f"Ranks under relaxed targets; leading: {leaders}."
    return Plot(data, layout, "Ranks under relaxed targets", description)


def r_max_plot(leaderboard: Leaderboard, lines: Mapping[str, Line]) -> Plot:
    """Scores as a function of the largest ratio to the fastest time that counts."""
    grid = np.geomspace(1.05, R_MAXES[-1], 60).tolist()
    scores_xS = scores_by_r_max(leaderboard.results, grid)
    data = []
    for name, i in ranked(leaderboard.results):
        hover = "<b>%{fullData.name}</b><br>%{y:.4f} with r_max %{x:.2f}"
        data.append(_trace(lines[name], grid, scores_xS[:, i].round(5), hover))
    r_max = leaderboard.results.protocol.rules.r_max
    upright = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": r_max, "x1": r_max}
    above = {"yref": "paper", "y": 1, "yanchor": "bottom", "x": math.log10(r_max)}
    layout = {
        "xaxis": {"title": {"text": "largest ratio that counts"}, "type": "log", "dtick": "D1"},
        "yaxis": {"title": {"text": "score"}, "range": [0, 1]},
        "shapes": [upright],
        "annotations": [{"text": "the rules", "showarrow": False, **above}],
    }
    description = (
        f"Scores by the largest ratio to the fastest time that counts; the rules have {r_max:g}."
    )
    return Plot(data, layout, "Scores by the largest ratio that counts", description)


def workload_plot(
    workload: str,
    protocol: ScoringProtocol,
    drawn: Iterable[tuple[Line, Curve]],
    bold: Sequence[Curve] = (),
) -> Plot:
    """The target metric on the validation split against submission time.

    Target and budget are drawn in; a circle marks where a run met the target.

    Args:
      workload: which one.
      protocol: target and budget.
      drawn: each run with its line; a run is named by study and trial where it has no line of its
        own.
      bold: the runs that stand out; all where none is named.
    """
    target, budget = protocol.facts[workload].target, float(protocol.budget(workload))
    unit, name = (HOUR, "h") if budget >= HOUR else (1.0, "s")
    drawn = list(drawn)
    data = []
    for line, curve in drawn:
        run = f"study {curve.study}, trial {curve.trial}"
        hover = f"<b>%{{fullData.name}}</b><br>{run}<br>%{{x:.4~g}} {name}: %{{y:.5~g}}"
        trace = _trace(line, _rounded(curve.seconds_N / unit), _rounded(curve.values_N), hover)
        if bold and not any(curve is one for one in bold):
            trace["line"]["width"], trace["opacity"] = 1, 0.55
        sizes = [0] * len(curve.values_N)
        if curve.at_target is not None:
            sizes[curve.at_target] = 9
            trace |= {"mode": "lines+markers", "marker": {"size": sizes, "opacity": 1}}
        data.append(trace)
    bound = f"{'≥' if target.direction == 'max' else '≤'} {target.validation:.6g}"
    metric = target.metric.replace("_", " ")
    layout = {
        "xaxis": {
            "title": {"text": f"submission time ({name})"},
            "range": [0, 1.04 * budget / unit],
        },
        "yaxis": {
            "title": {"text": html.escape(metric)},
            "range": _range(drawn, protocol, workload),
        },
        **_goal(target.validation, budget / unit),
    }
    reached = sum(curve.at_target is not None for _, curve in drawn)
    title = f"{workload}: {metric} {bound} within {budget:,g} s"
    description = (
        f"{workload}: {metric} on the validation split against submission time; the target is "
        f"{bound} within {budget:g} s; {reached} of {len(drawn)} runs shown reach it."
    )
    return Plot(data, layout, title, description)


def _goal(target: float, budget: float) -> dict[str, Any]:
    """Lines at the target and at the budget, named in the margins of the plot."""
    across = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": target, "y1": target}
    upright = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": budget, "x1": budget}
    target_name = {"text": "target", "xref": "paper", "x": 1, "xanchor": "left", "y": target}
    budget_name = {"text": "budget", "yref": "paper", "y": 1, "yanchor": "bottom", "x": budget}
    names = [{**name, "showarrow": False} for name in (target_name, budget_name)]
    return {"shapes": [across, upright], "annotations": names}


def _trace(line: Line, x: Any, y: Any, hover: str) -> dict[str, Any]:
    style, name = line.style, line.label
    if len(name) > LONGEST:
        name = f"{name[: LONGEST - 1]}…"
    return {
        "type": "scatter",
        "mode": "lines",
        "name": html.escape(name, quote=False),  # plotly knows no entity of quotes
        "x": list(map(float, x)),
        "y": [float(value) if math.isfinite(value) else None for value in y],
        "line": {"color": style.light, "dash": style.dash, "width": 2.5},
        "hovertemplate": f"{hover}<extra></extra>",
        "meta": {"line": line.key, "colours": [style.light, style.dark]},
    }


def _rounded(numbers_N: np.ndarray) -> list[float]:
    """Five digits are more than a plot shows, and half the page's size."""
    return [float(f"{x:.5g}") for x in numbers_N]


def _range(
    drawn: Sequence[tuple[Line, Curve]], protocol: ScoringProtocol, workload: str
) -> list[float]:
    """What the axis of values shows: target, best values, and most of the way of a usual run.

    The first evaluations, of a model just initialised, and runs that diverge would flatten
    everything else.
    """
    target = protocol.facts[workload].target
    sign = 1.0 if target.direction == "max" else -1.0
    goal = sign * target.validation
    runs = [curve.values_N[np.isfinite(curve.values_N)] * sign for _, curve in drawn]
    runs = [values_N for values_N in runs if values_N.size]
    best = max([goal, *(values_N.max() for values_N in runs)])
    starts = [np.quantile(values_N, 0.15, method="higher") for values_N in runs]
    start = np.median(starts) if starts else goal
    worst = min(start, goal - 0.25 * abs(best - start), goal - 0.01 * abs(goal))
    pad = 0.06 * (best - worst) or 0.01
    return sorted(float(f"{sign * end:.5g}") for end in (worst - pad, best + pad))
