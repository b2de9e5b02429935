"""The front page: for each tuning rule tables, performance profile and training curves."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from algoperf_jax.rules import Tuning
from algoperf_jax.scoring.curves import Curve, counted_curve
from algoperf_jax.scoring.input_warnings import counts
from algoperf_jax.scoring.leaderboard import Leaderboard
from algoperf_jax.scoring.page.drawing import drawn, legend
from algoperf_jax.scoring.page.html_table import html_table
from algoperf_jax.scoring.page.links import Key, table_file
from algoperf_jax.scoring.page.markup import Markup, breakable, element, joined
from algoperf_jax.scoring.page.plots import (
    Line,
    Plot,
    profile_plot,
    r_max_plot,
    relaxation_plot,
    submission_lines,
    workload_plot,
)
from algoperf_jax.scoring.page.shell import page
from algoperf_jax.scoring.submission_info import SubmissionInfo
from algoperf_jax.scoring.tables import all_tables
from algoperf_jax.scoring.text_table import TextTable

RULES: Mapping[Tuning, str] = {"external": "External tuning", "self": "Self-tuning"}
"""Headings of the tuning rules."""


def front_page(leaderboards: Sequence[Leaderboard], pages: Mapping[Key, str], footer: str) -> str:
    """The page that readers open.

    Args:
      leaderboards: one per tuning rule.
      pages: the page of each submission, as `links.submission_pages` names them.
      footer: its last line.
    """
    links, body = [], []
    for leaderboard in leaderboards:
        tuning = leaderboard.results.protocol.tuning
        links += _links(tuning, prefixed=len(leaderboards) > 1, curves=bool(leaderboard.curves))
        body.append(_rule(leaderboard, pages))
    rules = leaderboards[0].results.protocol.rules.name
    return page(
        title="Leaderboard",
        subtitle=f"AlgoPerf: training algorithms, rules {rules}. Time to reach a target.",
        body=body,
        navigation=links,
        root="",
        footer=footer,
        plots=True,
    )


def name_of(info: SubmissionInfo, baseline: bool) -> Markup:
    """A submission's name for readers, with its name in the records where that differs."""
    name = element("em" if baseline else "span", breakable(info.name))
    return joined(
        [name, element("small", breakable(info.id)) if info.id != info.name else None], " "
    )


def notices(leaderboard: Leaderboard) -> Markup | None:
    """Notices for readers of the scores, and numbers of warnings."""
    lines = list(leaderboard.notices)
    if leaderboard.warnings:
        lines.append(f"warnings while the records were read: {counts(leaderboard.warnings)}")
    items = [element("li", line) for line in lines]
    return element("ul", *items, class_="notices") if items else None


def _links(tuning: Tuning, prefixed: bool, curves: bool) -> list[Markup]:
    parts = {
        "scores": "Scores",
        "profile": "Performance profile",
        "fractions": "Times to target",
        "trust": "Trust",
    }
    if curves:
        parts["curves"] = "Training curves"
    prefix = f"{RULES[tuning]}: " if prefixed else ""
    return [
        element("a", f"{prefix}{text}".capitalize(), href=f"#{tuning}-{part}")
        for part, text in parts.items()
    ]


def _rule(leaderboard: Leaderboard, pages: Mapping[Key, str]) -> Markup:
    """Everything about one tuning rule."""
    results, tuning = leaderboard.results, leaderboard.results.protocol.tuning
    lines = submission_lines(leaderboard)
    names = [
        element(
            "a",
            name_of(leaderboard.infos[name], name == results.baseline),
            href=pages[Key(tuning, name)],
        )
        for name in results.ranking
    ]
    shown = {table.name: table for table in all_tables(leaderboard)}

    def show(
        table: str, left_out: Collection[str] = (), shaded: bool = False, plain: bool = False
    ) -> Markup:
        return html_table(
            shown[table],
            f"{tuning}-{table}-table",
            names=None if plain else names,
            left_out=tuple(left_out),
            shaded=shaded,
            after=_downloads(tuning, shown[table]),
        )

    scores = [f"{results.exact_S[results.submissions.index(name)]:.4f}" for name in lines]
    group = f"{tuning}-legend"
    return element(
        "section",
        element("h2", RULES[tuning], id=tuning),
        element("p", leaderboard.title, class_="about"),
        notices(leaderboard),
        element("h3", "Scores", id=f"{tuning}-scores"),
        show("leaderboard", left_out=["name"]),
        element("h3", "Performance profile", id=f"{tuning}-profile"),
        element(
            "div",
            drawn(
                profile_plot(leaderboard, lines),
                f"{tuning}-profile-plot",
                "How many workloads each submission solves within a multiple of the fastest time. "
                "The score is the mean height of its line.",
                group,
                tall=True,
            ),
            legend(lines.values(), group, scores),
            class_="beside",
        ),
        element("details", element("summary", "The profile as a table"), show("profile")),
        element("h3", "Times to target", id=f"{tuning}-fractions"),
        show("fractions", shaded=True),
        show("speedups") if "speedups" in shown else None,
        element("h3", "How far scores can be trusted", id=f"{tuning}-trust"),
        show("reliability"),
        *_trust(leaderboard, lines, group, show, shown),
        *_curves(leaderboard, lines, group),
        aria_labelledby=tuning,
    )


FOLDED = {
    "evidence": "What each time rests on: hits, spread, near misses",
    "ranks": "Ranks when studies are drawn anew",
    "better": "Who is better than whom, and how surely",
    "time_intervals": "Times to target when studies are drawn anew",
    "speedup_intervals": "Speed-ups when studies are drawn anew",
    "steps": "Time and steps",
    "seconds_per_step": "Seconds per step",
    "evaluation_share": "Share of evaluations in the time",
    "pair": "Two submissions compared",
}
"""Tables about trust that readers unfold, by name."""


def _trust(
    leaderboard: Leaderboard,
    lines: Mapping[str, Line],
    group: str,
    show: Callable[..., Markup],
    shown: Mapping[str, TextTable],
) -> list[Markup]:
    """What scores hang on: studies, targets, the largest ratio, the unit of time."""
    tuning, trust = leaderboard.results.protocol.tuning, leaderboard.trust

    def folded(table: str, text: str) -> Markup:
        named = "submission" in shown[table].header
        content = show(table) if named else show(table, plain=True)
        return element("details", element("summary", text), content)

    parts = [folded(table, text) for table, text in FOLDED.items() if table in shown]
    if trust is None:
        return parts
    plots, tables = [r_max_plot(leaderboard, lines)], [folded("r_max", "The scores as a table")]
    if trust.relaxation is not None:
        plots.insert(0, relaxation_plot(leaderboard, lines, trust.relaxation))
        tables.insert(0, folded("relaxed", "Ranks and scores under relaxed targets"))
    figures = [
        drawn(plot, f"{tuning}-trust-plot-{number}", plot.title, group)
        for number, plot in enumerate(plots)
    ]
    legend_ = legend(lines.values(), f"{group}-trust")
    return [*parts, legend_, element("div", *figures, class_="plots"), *tables]


def _downloads(tuning: Tuning, table: TextTable) -> Markup:
    links = [
        element(
            "a", label, href=table_file(tuning, table, suffix), aria_label=f"{table.title}: {label}"
        )
        for suffix, label in (("csv", "CSV"), ("md", "Markdown"))
    ]
    return element("p", "This table as ", joined(links, " or "), class_="downloads")


def _curves(leaderboard: Leaderboard, lines: Mapping[str, Line], group: str) -> list[Markup | None]:
    """A plot per workload with one run of each submission."""
    results, protocol = leaderboard.results, leaderboard.results.protocol
    tuning = protocol.tuning
    heading = element("h3", "Training curves", id=f"{tuning}-curves")
    if not leaderboard.curves:
        text = "The records that were scored are summaries; they hold no curves."
        return [heading, element("p", text)]
    own: dict[tuple[str, str], list[Curve]] = defaultdict(list)
    for run in leaderboard.curves:
        own[run.workload, run.submission].append(run)
    plots: dict[str, Plot] = {}
    for w, workload in enumerate(protocol.workloads):
        runs = [
            (line, curve)
            for name, line in lines.items()
            if (curve := counted_curve(own[workload, name], results.study_times[name][w], protocol))
        ]
        if runs:
            plots[workload] = workload_plot(workload, protocol, runs)
    figures = {
        workload: drawn(plot, f"{tuning}-{workload}-plot", plot.title, group)
        for workload, plot in plots.items()
    }
    base = [figures[name] for name in protocol.base if name in figures]
    held_out = [figures[name] for name in protocol.held_out if name in figures]
    there = {curve.submission for curve in leaderboard.curves}
    missing = [line.label for name, line in lines.items() if name not in there]
    text = (
        "One run of each submission: that of the median study, or the one with the best value "
        "where the median misses the target. Circles mark where a run meets the target; the start "
        "of training lies outside the plots. The pages of submissions show all their runs."
    )
    return [
        heading,
        element("p", text),
        element("p", f"No curves, as only summaries are at hand: {', '.join(missing)}.")
        if missing
        else None,
        legend(lines.values(), f"{group}-again"),
        element("div", *base, class_="plots"),
        element(
            "details",
            element("summary", "Held-out workloads"),
            element("div", *held_out, class_="plots"),
        )
        if held_out
        else None,
    ]
