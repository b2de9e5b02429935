"""The tables of a field: leaderboard, reliability of scores, budget fractions, speed-ups, profile.

Their cells are plain text; `formats` writes them for a terminal, a README and a spreadsheet.
"""

import math
from collections.abc import Collection

import numpy as np

from algoperf_jax.scoring.leaderboard import Leaderboard, ranked
from algoperf_jax.scoring.profiles import profiles
from algoperf_jax.scoring.speedups import Speedups
from algoperf_jax.scoring.text_table import TextTable
from algoperf_jax.scoring.trust.evidence import counted
from algoperf_jax.scoring.trust.tables import trust_tables

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


def tables(leaderboard: Leaderboard) -> list[TextTable]:
    """What a terminal shows first: scores with their evidence, and fractions of the budget."""
    shown = [score_table(leaderboard), fraction_table(leaderboard)]
    if leaderboard.results.speedups is not None:
        shown.append(speedup_table(leaderboard, leaderboard.results.speedups))
    return shown


def all_tables(leaderboard: Leaderboard) -> list[TextTable]:
    """What pages show: who they are with their scores, times, profile, and how far to trust it."""
    _, *others = tables(leaderboard)
    return [
        leaderboard_table(leaderboard),
        reliability_table(leaderboard),
        *others,
        profile_table(leaderboard),
        *trust_tables(leaderboard),
    ]


def leaderboard_table(leaderboard: Leaderboard) -> TextTable:
    """Rank, who is behind a submission, score, evidence; columns that hold nothing are left out."""
    results, infos, published = leaderboard.results, leaderboard.infos, leaderboard.published
    rows = []
    for rank, (name, i) in enumerate(ranked(results), 1):
        about = [", ".join(part) for part in (infos[name].organisations, infos[name].authors)]
        prize = {True: "yes", False: "no", None: NOT_STATED}[infos[name].prize_eligible]
        rows.append(
            [
                str(rank),
                *who(name, published),
                *_score(leaderboard, name, i),
                infos[name].name,
                *(part or NOT_STATED for part in (*about, infos[name].framework)),
                prize,
            ]
        )
    header = ["rank", *who_header(published), *_SCORE_HEADER, "name", "organisation", "authors"]
    header += ["framework", "prize eligible"]
    empty = [
        column
        for column, name in enumerate(header)
        if rows and all(row[column] == NOT_STATED for row in rows)
    ]
    rows = [[cell for c, cell in enumerate(row) if c not in empty] for row in rows]
    header = [name for c, name in enumerate(header) if c not in empty]
    return TextTable("Leaderboard", header, rows, _SCORE_LEGEND, "leaderboard")


def score_table(leaderboard: Leaderboard) -> TextTable:
    """The leaderboard, highest score first, with what each score rests on."""
    rows = [
        [str(rank), *who(name, leaderboard.published), *_score(leaderboard, name, i)]
        for rank, (name, i) in enumerate(ranked(leaderboard.results), 1)
    ]
    header = ["rank", *who_header(leaderboard.published), *_SCORE_HEADER]
    return TextTable("Scores", header, rows, _SCORE_LEGEND, "scores")


def reliability_table(leaderboard: Leaderboard) -> TextTable:
    """What each score becomes by the published procedure, and with a part of the field left out."""
    s, published = leaderboard.results, leaderboard.published
    rows = [
        [
            str(rank),
            *who(name, published),
            f"{s.exact_S[i]:.4f}",
            f"{s.published_S[i]:.4f}",
            _range(s.without_workload_SxB[i]),
            _range(s.without_submission_SxS[i]),
        ]
        for rank, (name, i) in enumerate(ranked(s), 1)
    ]
    header = ["rank", *who_header(published), "score", "published rule"]
    header += ["without one workload", "without one submission"]
    legend = [
        "published rule: as published scores are computed: a study counts its trial with the "
        "earliest evaluation by number that met the target, and the profile is integrated on 100 "
        f"points; score: the trial of a study by {CHOICES[s.trial_choice]}, the exact integral",
        "last columns: the score with any one workload, or any one other submission, left out",
    ]
    return TextTable("How far scores depend on the field", header, rows, legend, "reliability")


def fraction_table(leaderboard: Leaderboard) -> TextTable:
    """Times to target in units of the budget, before any disqualification, with marks.

    Of a cell in which some studies hit and some did not, the numbers of studies follow.
    """
    s, base = leaderboard.results, leaderboard.results.protocol.base
    rows = []
    for name, i in ranked(s):
        cells = []
        for b in range(len(base)):
            mark = MARKS.get(s.statuses[i][b], "")
            fraction, cell = s.fractions_SxW[i, b], leaderboard.cells[name][b]
            text = "*" if math.isnan(fraction) else f"{fraction:.4f}"
            mixed = f"{cell.hits}/{cell.studies}" if cell.mixed else ""
            cells.append(" ".join(filter(None, (text, mark, mixed))))
        rows.append([*who(name, leaderboard.published), *cells])
    unit = "runtime budget" if s.time == "seconds" else "step hint"
    legend = [
        "inf: target not reached within the budget; *: no evaluation at all; 2/3: a mixed cell, "
        "in which 2 of 3 studies reached the target",
        "counts as a miss: a = more than 4 times the fastest, b = held-out variant missed, c = "
        "held-out variant more than 4 times the fastest, d = no data on the held-out variant",
    ]
    title = f"Median time to target as a fraction of the {unit}"
    header = [*who_header(leaderboard.published), *base]
    return TextTable(title, header, rows, legend, "fractions")


def speedup_table(leaderboard: Leaderboard, speedups: Speedups) -> TextTable:
    """Speed-ups over the baseline: geometric mean and each workload."""
    s, published = leaderboard.results, leaderboard.published
    base = s.protocol.base
    rows = []
    for name, i in ranked(s):
        mark = " *" if speedups.has_missing_data_S[i] else ""
        mean = f"{speedups.geometric_mean_S[i]:.4f}{mark}"
        per_workload = [f"{x:.4f}" for x in speedups.per_workload_SxB[i]]
        rows.append([*who(name, published), mean, *per_workload])
    unit = "1 s" if s.time == "seconds" else "1 step"
    legend = [
        f"2 = twice as fast; a missed target counts as the budget and {unit}; no 4x and no "
        "held-out rule; *: so does a workload without data"
    ]
    header = [*who_header(published), "geometric mean", *base]
    return TextTable(f"Speed-up over {s.baseline}", header, rows, legend, "speedups")


def profile_table(leaderboard: Leaderboard) -> TextTable:
    """The share of base workloads within some multiples of the fastest time."""
    results, published = leaderboard.results, leaderboard.published
    taus = [tau for tau in PROFILE_TAUS if tau <= results.protocol.rules.r_max]
    shares_SxT = profiles(results.ratios_SxB, np.array(taus))
    rows = [
        [*who(name, published), *(f"{share:.4f}" for share in shares_SxT[i])]
        for name, i in ranked(results)
    ]
    header = [*who_header(published), *(f"{tau:g}" for tau in taus)]
    legend = ["share of the base workloads solved within so many times the fastest time"]
    return TextTable("Performance profile", header, rows, legend, "profile")


CHOICES = {"min_time": "the smallest time", "first_eval": "the earliest evaluation by number"}
"""The trial that a study counts, in words."""

_SCORE_HEADER = ("score", "95 % interval", "evidence")
_SCORE_LEGEND = [
    "score: exact integral of the performance profile; 1 is fastest on every workload; 95 % "
    "interval: studies drawn anew",
    "evidence: how many studies reached their target; mixed: workloads on which some did and some "
    "did not, so that the median hangs on a few runs",
]


def _score(leaderboard: Leaderboard, name: str, i: int) -> list[str]:
    s = leaderboard.results
    interval = "{:.4f}-{:.4f}".format(*s.interval_Sx2[i])
    return [f"{s.exact_S[i]:.4f}", interval, counted(leaderboard.cells[name])]


def who(name: str, published: Collection[str]) -> list[str]:
    """The first cells of a row: the submission, and which field it is of where there are two."""
    return [name, "published" if name in published else "yours"] if published else [name]


def who_header(published: Collection[str]) -> list[str]:
    """The names of these columns."""
    return ["submission", "field"] if published else ["submission"]


def _range(scores: np.ndarray) -> str:
    known = scores[~np.isnan(scores)]
    return f"{known.min():.4f}-{known.max():.4f}" if known.size else "-"
