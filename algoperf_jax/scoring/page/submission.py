"""The page of one submission: facts about it, its times, and all its runs."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from algoperf_jax.scoring.curves import Curve, counted_curve
from algoperf_jax.scoring.leaderboard import Leaderboard
from algoperf_jax.scoring.lines import line_style
from algoperf_jax.scoring.page.drawing import drawn, legend
from algoperf_jax.scoring.page.front import RULES, notices
from algoperf_jax.scoring.page.html_table import html_table
from algoperf_jax.scoring.page.markup import Markup, element
from algoperf_jax.scoring.page.plots import Line, workload_plot
from algoperf_jax.scoring.page.shell import page
from algoperf_jax.scoring.tables import MEANINGS, NOT_STATED
from algoperf_jax.scoring.text_table import TextTable

LEGEND = "legend"


def submission_page(leaderboard: Leaderboard, name: str, footer: str) -> str:
    """The page of a submission on a leaderboard.

    Args:
      leaderboard: with the submission in it.
      name: of the submission in the records.
      footer: the last line.
    """
    info, tuning = leaderboard.infos[name], leaderboard.results.protocol.tuning
    curves = [curve for curve in leaderboard.curves if curve.submission == name]
    return page(
        title=info.name,
        subtitle=f"{RULES[tuning]}, rules {leaderboard.results.protocol.rules.name}",
        body=[
            element("p", info.description) if info.description else None,
            _facts(leaderboard, name),
            notices(leaderboard),
            element("h2", "Times to target", id="times"),
            html_table(times_table(leaderboard, name), "times-table"),
            element("h2", "Training curves", id="curves"),
            *_curves(leaderboard, name, curves),
        ],
        navigation=[
            element("a", "Leaderboard", href="../index.html"),
            element("a", "Times to target", href="#times"),
            element("a", "Training curves", href="#curves"),
        ],
        root="../",
        footer=footer,
        plots=bool(curves),
    )


def times_table(leaderboard: Leaderboard, name: str) -> TextTable:
    """Each workload's time, what it counts for, and the times of the studies."""
    results, protocol = leaderboard.results, leaderboard.results.protocol
    s, unit = results.submissions.index(name), "s" if results.time == "seconds" else "steps"
    studies = results.study_times[name].shape[1]
    rows = []
    for w, workload in enumerate(protocol.workloads):
        is_base = w < len(protocol.base)
        ratio = results.ratios_SxB[s, w] if is_base else math.nan
        speedups = results.speedups
        times = results.study_times[name][w]
        rows.append(
            [
                workload,
                _shown(results.times_SxW[s, w], ".1f"),
                _shown(results.fractions_SxW[s, w], ".4f"),
                _shown(ratio, ".4f") if is_base else "-",
                _shown(speedups.per_workload_SxB[s, w], ".4f") if speedups and is_base else "-",
                MEANINGS[results.statuses[s][w]] if is_base else "held-out",
                *(_shown(time, ".1f") for time in times),
            ]
        )
    header = ["workload", f"median time ({unit})", "fraction of the budget", "times the fastest"]
    header += ["speed-up", "result", *(f"study {k} ({unit})" for k in range(studies))]
    legend_ = ["inf: target not reached within the budget; *: no evaluation at all"]
    return TextTable("Medians, and the times of the studies", header, rows, legend_, "times")


def _shown(number: float, form: str) -> str:
    return "*" if math.isnan(number) else format(number, form)


def _facts(leaderboard: Leaderboard, name: str) -> Markup:
    """What is known of the submission, as terms and their values."""
    info, results = leaderboard.infos[name], leaderboard.results
    s = results.submissions.index(name)
    prize = {True: "yes", False: "no", None: NOT_STATED}[info.prize_eligible]
    low, high = results.interval_Sx2[s]
    facts = {
        "Score": f"{results.exact_S[s]:.4f} (95 % interval {low:.4f} to {high:.4f})",
        "Rank": f"{results.ranking.index(name) + 1} of {len(results.submissions)}",
        "Name in the records": info.id,
        "Organisation": ", ".join(info.organisations) or NOT_STATED,
        "Authors": ", ".join(info.authors) or NOT_STATED,
        "Framework": info.framework or NOT_STATED,
        "Version": info.version or NOT_STATED,
        "Prize eligible": prize,
    }
    if results.speedups is not None:
        mean = results.speedups.geometric_mean_S[s]
        facts[f"Speed-up over {results.baseline}"] = f"{mean:.4f} (geometric mean)"
    pairs = [
        element("div", element("dt", term), element("dd", value)) for term, value in facts.items()
    ]
    return element("dl", *pairs, class_="facts")


def _curves(leaderboard: Leaderboard, name: str, curves: Sequence[Curve]) -> list[Markup | None]:
    """A plot per workload with all runs of the submission."""
    results, protocol = leaderboard.results, leaderboard.results.protocol
    if not curves:
        text = "Only a summary of this submission's runs is at hand; it holds no curves."
        return [element("p", text)]
    numbers = sorted({curve.study for curve in curves})
    lines = {k: Line(f"study-{k}", f"study {k}", line_style(i)) for i, k in enumerate(numbers)}
    own: dict[str, list[Curve]] = defaultdict(list)
    for curve in curves:
        own[curve.workload].append(curve)
    figures = []
    for w, workload in enumerate(protocol.workloads):
        counted = counted_curve(own[workload], np.array(results.study_times[name][w]), protocol)
        if counted is not None:
            runs = [(lines[curve.study], curve) for curve in own[workload]]
            plot = workload_plot(workload, protocol, runs, bold=[counted])
            figures.append(drawn(plot, f"{workload}-plot", plot.title, LEGEND))
    text = (
        "All runs; the bold one is that of the median study, or the one with the best value where "
        "the median misses the target. Circles mark where a run meets the target. The start of "
        "training, and runs far from the target, may lie outside a plot."
    )
    return [
        element("p", text),
        legend(lines.values(), LEGEND),
        element("div", *figures, class_="plots"),
    ]
