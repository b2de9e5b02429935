"""The tables of a field: leaderboard, reliability of scores, budget fractions, speed-ups, profile.

Their cells are plain text; `formats` writes them for a terminal, a README and a spreadsheet.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from algoperf_jax.scoring.profiles import profiles
from algoperf_jax.scoring.results import ScoringResults
from algoperf_jax.scoring.speedups import Speedups
from algoperf_jax.scoring.submission_info import SubmissionInfo

PROFILE_TAUS = (1, 1.05, 1.1, 1.25, 1.5, 2, 2.5, 3, 3.5, 4)
"""Ratios at which tables and JSON have the profile."""

MARKS = {
    "over_4x": "a",
    "held_out_missed": "b",
    "held_out_over_4x": "c",
    "held_out_no_data": "d",
}
"""What marks a fraction of the budget that counts as a miss although the target was reached."""

MEANINGS = {
    "scored": "counts",
    "target_missed": "target not reached within the budget",
    "no_data": "no evaluation at all",
    "over_4x": "more than 4 times the fastest",
    "held_out_missed": "held-out variant missed",
    "held_out_over_4x": "held-out variant more than 4 times the fastest",
    "held_out_no_data": "no data on the held-out variant",
}
"""What a status means, in words."""

NOT_STATED = "not stated"


class TextTable(NamedTuple):
    """A table to show.

    Attributes:
      title: one line.
      header: names of the columns.
      rows: of cells; one per submission, by rank.
      legend: lines that explain it.
      name: for files and links.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    legend: Sequence[str] = ()
    name: str = ""


def tables(results: ScoringResults, published: Collection[str] = ()) -> list[TextTable]:
    """Scores, fractions of the budget, and speed-ups where there is a baseline."""
    shown = [score_table(results, published), fraction_table(results, published)]
    if results.speedups is not None:
        shown.append(speedup_table(results, results.speedups, published))
    return shown


def all_tables(
    results: ScoringResults, infos: Mapping[str, SubmissionInfo], published: Collection[str] = ()
) -> list[TextTable]:
    """What pages show: the leaderboard, the same tables, and the profile."""
    return [
        leaderboard_table(results, infos, published),
        *tables(results, published),
        profile_table(results, published),
    ]


def leaderboard_table(
    results: ScoringResults, infos: Mapping[str, SubmissionInfo], published: Collection[str] = ()
) -> TextTable:
    """Rank, submission and score, highest score first.

    Args:
      results: of the field.
      infos: by submission.
      published: names of the submissions of the published field.
    """
    rows = []
    for rank, (name, i) in enumerate(ranked(results), 1):
        about = [", ".join(part) for part in (infos[name].organisations, infos[name].authors)]
        prize = {True: "yes", False: "no", None: NOT_STATED}[infos[name].prize_eligible]
        rows.append(
            [
                str(rank),
                *_who(name, published),
                infos[name].name,
                *(part or NOT_STATED for part in (*about, infos[name].framework)),
                prize,
                f"{results.exact_S[i]:.4f}",
            ]
        )
    header = ["rank", *_who_header(published), "name", "organisation", "authors", "framework"]
    legend = ["score: exact integral of the performance profile; 1 is fastest on every workload"]
    return TextTable(
        "Leaderboard", [*header, "prize eligible", "score"], rows, legend, "leaderboard"
    )


def score_table(results: ScoringResults, published: Collection[str] = ()) -> TextTable:
    """The leaderboard, highest score first, with how far each score can be relied on."""
    s = results
    rows = []
    for rank, (name, i) in enumerate(ranked(s), 1):
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
    return TextTable("Scores", header, rows, legend, "scores")


def fraction_table(results: ScoringResults, published: Collection[str] = ()) -> TextTable:
    """Times to target in units of the budget, before any disqualification, with marks."""
    s, base = results, results.protocol.base
    rows = []
    for name, i in ranked(s):
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
    return TextTable(title, [*_who_header(published), *base], rows, legend, "fractions")


def speedup_table(
    results: ScoringResults, speedups: Speedups, published: Collection[str] = ()
) -> TextTable:
    """Speed-ups over the baseline: geometric mean and each workload."""
    s, base = results, results.protocol.base
    rows = []
    for name, i in ranked(s):
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
    return TextTable(f"Speed-up over {s.baseline}", header, rows, legend, "speedups")


def profile_table(results: ScoringResults, published: Collection[str] = ()) -> TextTable:
    """The share of base workloads within some multiples of the fastest time."""
    taus = [tau for tau in PROFILE_TAUS if tau <= results.protocol.rules.r_max]
    shares_SxT = profiles(results.ratios_SxB, np.array(taus))
    rows = [
        [*_who(name, published), *(f"{share:.4f}" for share in shares_SxT[i])]
        for name, i in ranked(results)
    ]
    header = [*_who_header(published), *(f"{tau:g}" for tau in taus)]
    legend = ["share of the base workloads solved within so many times the fastest time"]
    return TextTable("Performance profile", header, rows, legend, "profile")


def _who(name: str, published: Collection[str]) -> list[str]:
    return [name, "published" if name in published else "yours"] if published else [name]


def _who_header(published: Collection[str]) -> list[str]:
    return ["submission", "field"] if published else ["submission"]


def _range(scores: np.ndarray) -> str:
    known = scores[~np.isnan(scores)]
    return f"{known.min():.4f}-{known.max():.4f}" if known.size else "-"


def ranked(s: ScoringResults) -> list[tuple[str, int]]:
    """Names by rank, with their positions in the arrays of the results."""
    return [(name, s.submissions.index(name)) for name in s.ranking]
