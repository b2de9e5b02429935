"""Standings as JSON data and as tables."""

import csv
import io
import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from algoperf_jax.scoring.profiles import profiles
from algoperf_jax.scoring.speedups import Speedups
from algoperf_jax.scoring.standings import Standings

PROFILE_TAUS = (1, 1.05, 1.1, 1.25, 1.5, 2, 2.5, 3, 3.5, 4)
"""Ratios at which the JSON has the profile."""

MARKS = {
    "over_4x": "a",
    "held_out_missed": "b",
    "held_out_over_4x": "c",
    "held_out_no_data": "d",
}
"""What marks a fraction of the budget that counts as a miss although the target was reached."""


CSV_COLUMNS = (
    *("rank", "submission", "field", "score_exact", "score_trapezoid_100", "workload", "held_out"),
    *("time_to_target", "budget_fraction", "status", "performance_ratio", "speedup"),
)


class Table(NamedTuple):
    """A table to show.

    Attributes:
      title: one line.
      header: names of the columns.
      rows: of cells.
      legend: lines that explain it.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    legend: Sequence[str] = ()


def as_json(standings: Standings, published: Collection[str] = ()) -> dict[str, Any]:
    """All numbers as JSON data; "inf" is a miss, null (as a fraction: "*") no measurement.

    Args:
      standings: of the field.
      published: names of the submissions of the published field.
    """
    s, board = standings, standings.board
    base, workloads = board.base, board.workloads
    taus = np.array(PROFILE_TAUS)
    best = s.verdict.best___W

    def by_submission(rows: Iterable[Any]) -> dict[str, Any]:
        return dict(zip(s.submissions, rows, strict=True))

    def table(numbers: np.ndarray, names: Sequence[str], no_data: str | None = None) -> Any:
        return by_submission(
            {name: _number(x, no_data) for name, x in zip(names, row, strict=True)}
            for row in numbers
        )

    return {
        "rules": board.rules.name,
        "tuning": board.tuning,
        "time": s.time,
        "trial_choice": s.trial_choice,
        "studies": board.studies,
        "trials": board.trials,
        "base_workloads": list(base),
        "held_out_workloads": list(board.held_out),
        "r_max": board.rules.r_max,
        "budgets": {name: _number(x) for name, x in zip(workloads, s.budgets_W, strict=True)},
        "profile_taus": list(PROFILE_TAUS),
        "published": sorted(published),
        "time_to_target": table(s.times_SxW, workloads),
        "study_times": by_submission(
            {
                name: None if np.isnan(times).any() else [_number(x) for x in times]
                for name, times in zip(workloads, s.study_times[submission], strict=True)
            }
            for submission in s.submissions
        ),
        "budget_fraction": table(s.fractions_SxW, workloads, no_data="*"),
        "status": by_submission(dict(zip(base, row, strict=True)) for row in s.statuses),
        "fastest_before_disqualification": {
            name: _number(x) for name, x in zip(workloads, best, strict=True)
        },
        "fastest_time": {
            name: _number(x)
            for name, x in zip(base, s.verdict.counted___SxB.min(axis=0), strict=True)
        },
        "performance_ratio": table(s.ratios_SxB, base),
        "profile": by_submission(profiles(s.ratios_SxB, taus).tolist()),
        "score_trapezoid_100": by_submission(s.trapezoid_S.tolist()),
        "score_exact": by_submission(s.exact_S.tolist()),
        "ranking": s.ranking,
        "baseline": s.baseline,
        "speedup_vs_baseline": _speedups_json(s),
        "score_interval_95": by_submission(s.interval_Sx2.tolist()),
        "score_without_workload": table(s.without_workload_SxB, base),
        "score_without_submission": table(s.without_submission_SxS, s.submissions),
    }


def tables(standings: Standings, published: Collection[str] = ()) -> list[Table]:
    """Scores, fractions of the budget, and speed-ups where there is a baseline."""
    shown = [score_table(standings, published), fraction_table(standings, published)]
    if standings.speedups is not None:
        shown.append(speedup_table(standings, standings.speedups, published))
    return shown


def score_table(standings: Standings, published: Collection[str] = ()) -> Table:
    """The leaderboard, highest score first, with how far each score can be relied on."""
    s = standings
    rows = []
    for rank, (name, i) in enumerate(_ranked(s), 1):
        rows.append(
            [
                str(rank),
                *_who(name, published),
                f"{s.exact_S[i]:.4f}",
                f"{s.trapezoid_S[i]:.4f}",
                "{:.4f}-{:.4f}".format(*s.interval_Sx2[i]),
                _range(s.without_workload_SxB[i]),
                _range(s.without_submission_SxS[i]),
            ]
        )
    header = ["rank", *_who_header(published), "score", "100 points", "95 % interval"]
    legend = [
        "score: exact integral of the performance profile; 100 points: as published scores are "
        "computed",
        "95 % interval: studies drawn anew; last columns: the score with any one workload, or any "
        "one other submission, left out",
    ]
    header += ["without one workload", "without one submission"]
    return Table("Scores", header, rows, legend)


def fraction_table(standings: Standings, published: Collection[str] = ()) -> Table:
    """Times to target in units of the budget, before any disqualification, with marks."""
    s, base = standings, standings.board.base
    rows = []
    for name, i in _ranked(s):
        cells = []
        for b in range(len(base)):
            mark = MARKS.get(s.statuses[i][b], "")
            fraction = s.fractions_SxW[i, b]
            text = "*" if math.isnan(fraction) else f"{fraction:.4f}"
            cells.append(f"{text} {mark}".rstrip())
        rows.append([*_who(name, published), *cells])
    unit = "runtime budget" if s.time == "seconds" else "step hint"
    legend = [
        "inf: target not reached within the budget; *: no evaluation at all; counts as a miss: "
        "a = more than 4 times the fastest, b = held-out variant missed, c = held-out variant more "
        "than 4 times the fastest, d = no data on the held-out variant"
    ]
    title = f"Median time to target as a fraction of the {unit}"
    return Table(title, [*_who_header(published), *base], rows, legend)


def speedup_table(
    standings: Standings, speedups: Speedups, published: Collection[str] = ()
) -> Table:
    """Speed-ups over the baseline: geometric mean and each workload."""
    s, base = standings, standings.board.base
    rows = []
    for name, i in _ranked(s):
        mark = " *" if speedups.has_missing_data_S[i] else ""
        mean = f"{speedups.geometric_mean_S[i]:.4f}{mark}"
        per_workload = [f"{x:.4f}" for x in speedups.per_workload_SxB[i]]
        rows.append([*_who(name, published), mean, *per_workload])
    unit = "1 s" if s.time == "seconds" else "1 step"
    legend = [
        f"2 = twice as fast; a missed target counts as the budget and {unit}; no 4x and no "
        "held-out rule; *: so does a workload without data"
    ]
    header = [*_who_header(published), "geometric mean", *base]
    return Table(f"Speed-up over {s.baseline}", header, rows, legend)


def as_text(table: Table) -> str:
    """The table in columns, for a terminal; long names in its header are broken at underscores."""
    heads = [_broken(name) for name in table.header]
    depth = max(map(len, heads))
    lines = [[head[i] if i < len(head) else "" for head in heads] for i in range(depth)]
    widths = [max(map(len, column)) for column in zip(*lines, *table.rows, strict=True)]
    text = [table.title, ""]
    for number, line in enumerate([*lines, *table.rows]):
        if number == depth:
            text.append("  ".join("-" * width for width in widths))
        cells = zip(line, widths, strict=True)
        text.append("  ".join(cell.ljust(width) for cell, width in cells).rstrip())
    return "\n".join([*text, *table.legend]) + "\n"


def as_markdown(table: Table, baseline: str | None) -> str:
    """The table in Markdown; the baseline's name in italics."""
    rows = [[f"_{cell}_" if cell == baseline else cell for cell in row] for row in table.rows]
    lines = [_markdown_row(table.header), _markdown_row(["---"] * len(table.header))]
    lines += [_markdown_row(row) for row in rows]
    legend = "\n\n".join(_markdown_cell(line) for line in table.legend)
    return f"## {table.title}\n\n" + "\n".join(lines) + f"\n\n{legend}\n"


def as_csv(standings: Standings, published: Collection[str] = ()) -> str:
    """A tidy table: one row per submission, by rank, and workload, held-out ones included.

    Columns: rank, submission, field (published or yours), score_exact, score_trapezoid_100,
    workload, held_out (0 or 1), time_to_target (seconds or steps; inf for a miss, empty for no
    data), budget_fraction, status, performance_ratio and speedup (base workloads only).
    """
    s, board = standings, standings.board
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for rank, (name, i) in enumerate(_ranked(s), 1):
        field = "published" if name in published else "yours"
        start = [rank, name, field, float(s.exact_S[i]), float(s.trapezoid_S[i])]
        for w, workload in enumerate(board.workloads):
            is_base = w < len(board.base)
            numbers = [_cell(s.times_SxW[i, w]), _cell(s.fractions_SxW[i, w])]
            judged = [s.statuses[i][w], _cell(s.ratios_SxB[i, w])] if is_base else ["", ""]
            compared = s.speedups if is_base else None
            speedup = _cell(compared.per_workload_SxB[i, w]) if compared else ""
            writer.writerow([*start, workload, int(not is_base), *numbers, *judged, speedup])
    return text.getvalue()


def _speedups_json(s: Standings) -> dict[str, Any]:
    if s.speedups is None:
        return {}
    means = s.speedups.geometric_mean_S
    return {
        name: {
            "geometric_mean": float(means[i]),
            "time_ratio": float(1.0 / means[i]),
            "has_missing_data": bool(s.speedups.has_missing_data_S[i]),
            "per_workload": dict(
                zip(s.board.base, s.speedups.per_workload_SxB[i].tolist(), strict=True)
            ),
        }
        for i, name in enumerate(s.submissions)
    }


def _number(x: float, no_data: str | None = None) -> float | str | None:
    """A number that JSON knows."""
    if math.isnan(x):
        return no_data
    return "inf" if math.isinf(x) else float(x)


def _cell(x: float) -> str:
    return "" if math.isnan(x) else repr(float(x))


def _ranked(s: Standings) -> list[tuple[str, int]]:
    return [(name, s.submissions.index(name)) for name in s.ranking]


def _who(name: str, published: Collection[str]) -> list[str]:
    return [name, "published" if name in published else "yours"] if published else [name]


def _who_header(published: Collection[str]) -> list[str]:
    return ["submission", "field"] if published else ["submission"]


def _range(scores: np.ndarray) -> str:
    known = scores[~np.isnan(scores)]
    return f"{known.min():.4f}-{known.max():.4f}" if known.size else "-"


def _broken(name: str, width: int = 12) -> list[str]:
    """The name on several lines, if it is long."""
    lines = [""]
    for part in name.replace("_", "_\0").replace(" ", " \0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append(part)
        else:
            lines[-1] += part
    return [line.rstrip() for line in lines]


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(map(_markdown_cell, cells)) + " |"


def _markdown_cell(cell: str) -> str:
    return cell.replace("*", r"\*").replace("|", r"\|")
