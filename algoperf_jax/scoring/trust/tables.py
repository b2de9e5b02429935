"""How far a field's scores can be trusted, as tables; rows by rank."""

import math
from collections.abc import Sequence

import numpy as np

from algoperf_jax.scoring.leaderboard import Leaderboard, ranked
from algoperf_jax.scoring.text_table import TextTable
from algoperf_jax.scoring.trust.drawn_fields import DRAWS, R_MAXES, DrawnFields
from algoperf_jax.scoring.trust.evidence import NEAR_PERCENT
from algoperf_jax.scoring.trust.pace import Pace
from algoperf_jax.scoring.trust.relaxation import Relaxation
from algoperf_jax.scoring.trust.summary import Trust

SHOWN_PERCENTAGES = (0, 1, 2, 3, 5, 10, 15, 20)
"""Of the degrees of relaxation, those that a table has room for."""


COVERAGE = (
    "of three studies the drawn medians reach from the fastest to the slowest, which has the true "
    "median in 74 % of cases, of five in 93 %: the records say no more"
)


def trust_tables(leaderboard: Leaderboard) -> list[TextTable]:
    """All of them; only the evidence where nothing else was computed."""
    shown = [evidence_table(leaderboard)]
    if (trust := leaderboard.trust) is None:
        return shown
    shown += [
        rank_table(leaderboard, trust.drawn),
        better_table(leaderboard, trust.drawn),
        interval_table(leaderboard, trust.drawn),
        r_max_table(leaderboard, trust.by_r_max),
    ]
    if trust.drawn.speedups_SxBx2 is not None:
        shown.append(speedup_interval_table(leaderboard, trust.drawn.speedups_SxBx2))
    if trust.relaxation is not None:
        shown.append(relaxation_table(leaderboard, trust.relaxation))
    shown.append(steps_table(leaderboard, trust.pace))
    if not np.isnan(trust.pace.seconds_per_step_SxW).all():
        shown.append(pace_table(leaderboard, trust.pace))
    if not np.isnan(trust.pace.evaluation_share_SxW).all():
        shown.append(evaluation_table(leaderboard, trust.pace))
    if trust.paired is not None:
        shown.append(pair_table(trust))
    return shown


def evidence_table(leaderboard: Leaderboard) -> TextTable:
    """Each cell: how many studies hit, their spread, and how near a miss came."""
    s, workloads = leaderboard.results, leaderboard.results.protocol.workloads

    def text(name: str, w: int) -> str:
        cell = leaderboard.cells[name][w]
        if not cell.studies:
            return "*"
        parts = [f"{cell.hits}/{cell.studies}"]
        if cell.hits:
            ends = [end / s.budgets_W[w] for end in (cell.fastest, cell.slowest)]
            parts.append("-".join(f"{end:.2f}" for end in dict.fromkeys(ends)))
        elif not math.isnan(cell.short_percent):
            near = " (near)" if cell.near_miss else ""
            parts.append(f"short {_percent(cell.short_percent)} %{near}")
        return " ".join(parts)

    rows = [[name, *(text(name, w) for w in range(len(workloads)))] for name, _ in ranked(s)]
    legend = [
        "studies that reached the target of those with measurements, and from which to which "
        "fraction of the budget they needed; of a miss, by how much of the target the best value "
        f"within the budget fell short ({NEAR_PERCENT:g} % and less are near); *: no data"
    ]
    title = "What each time rests on"
    return TextTable(title, ["submission", *workloads], rows, legend, "evidence")


def rank_table(leaderboard: Leaderboard, drawn: DrawnFields) -> TextTable:
    """The distribution of ranks over fields with studies drawn anew."""
    rows = []
    for name, i in ranked(leaderboard.results):
        shares_R = drawn.ranks_SxR[i]
        below = np.cumsum(shares_R)
        low, middle, high = (1 + int(np.searchsorted(below, q)) for q in (0.025, 0.5, 0.975))
        top = [f"{shares_R[:count].sum():.2f}" for count in (1, 3)]
        rows.append([name, *top, str(middle), f"{low}-{min(high, len(shares_R))}"])
    header = ["submission", "leads", "among three", "median rank", "95 % of ranks"]
    legend = [f"over {DRAWS:,} fields with studies drawn anew; equal scores share their ranks"]
    return TextTable("Ranks", header, rows, legend, "ranks")


def better_table(leaderboard: Leaderboard, drawn: DrawnFields) -> TextTable:
    """How often each submission scores higher than each other one; columns by rank."""
    order = [i for _, i in ranked(leaderboard.results)]
    rows = [
        [name, *("-" if i == j else f"{drawn.better_SxS[i, j]:.2f}" for j in order)]
        for name, i in ranked(leaderboard.results)
    ]
    header = ["submission", *(f"over {rank}" for rank in range(1, len(order) + 1))]
    legend = [
        "the share of fields, studies drawn anew, in which the row's score is higher than that of "
        "the submission with the column's rank; ties count half; around 0.5 the order is luck"
    ]
    return TextTable("Who is better", header, rows, legend, "better")


def interval_table(leaderboard: Leaderboard, drawn: DrawnFields) -> TextTable:
    """Where 95 % of the drawn medians lie, as fractions of the budget."""
    s = leaderboard.results
    rows = [
        [name, *(_ends(drawn.times_SxWx2[i, w] / s.budgets_W[w]) for w in range(len(s.budgets_W)))]
        for name, i in ranked(s)
    ]
    legend = [
        f"95 % of {DRAWS:,} medians of drawn studies, over the budget; inf: a miss; *: no data",
        COVERAGE,
    ]
    header = ["submission", *s.protocol.workloads]
    return TextTable(
        "Times to target when studies are drawn anew", header, rows, legend, "time_intervals"
    )


def speedup_interval_table(leaderboard: Leaderboard, speedups_SxBx2: np.ndarray) -> TextTable:
    """Where 95 % of the drawn speed-ups over the baseline lie."""
    s = leaderboard.results
    rows = [
        [name, *(_ends(speedups_SxBx2[i, b]) for b in range(len(s.protocol.base)))]
        for name, i in ranked(s)
    ]
    legend = ["95 %, studies of both drawn anew; a miss counts as the budget and 1", COVERAGE]
    title = f"Speed-ups over {s.baseline} when studies are drawn anew"
    return TextTable(title, ["submission", *s.protocol.base], rows, legend, "speedup_intervals")


def r_max_table(leaderboard: Leaderboard, scores_xS: np.ndarray) -> TextTable:
    """The score as a function of the largest ratio that counts."""
    rows = [
        [name, *(f"{score:.4f}" for score in scores_xS[:, i])]
        for name, i in ranked(leaderboard.results)
    ]
    header = ["submission", *(f"r_max {r_max:g}" for r_max in R_MAXES)]
    rules = leaderboard.results.protocol.rules
    legend = [f"the rules have {rules.r_max:g}: slower than so many times the fastest is a miss"]
    return TextTable("Scores by the largest ratio that counts", header, rows, legend, "r_max")


def relaxation_table(leaderboard: Leaderboard, found: Relaxation) -> TextTable:
    """Ranks and scores under relaxed targets."""
    places = [p for p, x in enumerate(found.percentages) if x in SHOWN_PERCENTAGES]
    ranks_PxS = found.ranks_PxS
    rows = []
    for name, _ in ranked(leaderboard.results):
        i = found.submissions.index(name)
        cells = [f"{ranks_PxS[p, i]} ({found.scores_PxS[p, i]:.4f})" for p in places]
        rows.append([name, *cells])
    leaders = "; ".join(f"from {percent:g} % {name}" for percent, name in found.leaders)
    legend = ["rank (score) with every target easier by so much of itself", f"leading: {leaders}"]
    header = ["submission", *(f"{found.percentages[p]:g} %" for p in places)]
    return TextTable("Relaxed targets", header, rows, legend, "relaxed")


def steps_table(leaderboard: Leaderboard, pace: Pace) -> TextTable:
    """Scores and ranks by time and by steps."""
    s, by = leaderboard.results, pace.by_steps
    rows = [
        [
            name,
            str(rank),
            f"{s.exact_S[i]:.4f}",
            str(by.ranking.index(name) + 1),
            f"{by.exact_S[by.submissions.index(name)]:.4f}",
        ]
        for rank, (name, i) in enumerate(ranked(s), 1)
    ]
    legend = [
        "a step is one update of the submission, which some define differently; targets have to be "
        "met within the budget of time either way"
    ]
    header = ["submission", f"rank by {s.time}", "score", "rank by steps", "score by steps"]
    return TextTable("Time and steps", header, rows, legend, "steps")


def pace_table(leaderboard: Leaderboard, pace: Pace) -> TextTable:
    """Seconds of submission time per step."""
    return _by_workload(
        leaderboard,
        pace.seconds_per_step_SxW,
        ".4f",
        "Seconds per step",
        "submission time over steps at the last evaluation, the median of the runs",
        "seconds_per_step",
    )


def evaluation_table(leaderboard: Leaderboard, pace: Pace) -> TextTable:
    """The share of evaluations in wall time."""
    return _by_workload(
        leaderboard,
        100 * pace.evaluation_share_SxW,
        ".1f",
        "Share of evaluations (%)",
        "of submission time and evaluations together, the median of the runs",
        "evaluation_share",
    )


def pair_table(trust: Trust) -> TextTable:
    """The two submissions asked for, on each workload."""
    a, b = trust.paired or ("", "")
    rows = [
        [
            one.workload,
            one.quantity,
            f"{_number(one.mean_a)} ({one.finite_a}/{one.studies_a})",
            f"{_number(one.mean_b)} ({one.finite_b}/{one.studies_b})",
            f"{_number(one.sigma)} ({one.degrees})",
            "-" if math.isnan(one.z) else f"{one.z:.2f}",
            "-" if math.isnan(one.p) else f"{one.p:.2g}",
            "-" if math.isnan(one.a_is_better) else f"{one.a_is_better:.2f}",
        ]
        for one in trust.pair
    ]
    header = ["workload", "quantity", f"{a} (studies)", f"{b} (studies)", "sigma (degrees)"]
    header += ["z", "p"]
    legend = [
        "means of the studies that have a number, of those there are; test with a fixed sigma: "
        "that within submissions, from all of the field's studies on the workload; p two-sided by "
        "Student's t, not corrected for several tests",
        f"last column: bootstrap over studies, how often the mean of {a} is the better one, a miss "
        "being infinite; from three studies of each on",
    ]
    return TextTable(f"{a} against {b}", [*header, f"{a} better"], rows, legend, "pair")


def _by_workload(
    leaderboard: Leaderboard, numbers_SxW: np.ndarray, form: str, title: str, text: str, name: str
) -> TextTable:
    s = leaderboard.results
    rows = [
        [row, *("*" if math.isnan(x) else format(x, form) for x in numbers_SxW[i])]
        for row, i in ranked(s)
    ]
    legend = [f"{text}; *: not known"]
    return TextTable(title, ["submission", *s.protocol.workloads], rows, legend, name)


def _ends(ends: Sequence[float] | np.ndarray) -> str:
    low, high = (float(end) for end in ends)
    if math.isnan(low):
        return "*"
    return f"{low:.4f}" if low == high else f"{low:.4f}-{high:.4f}"


def _percent(x: float) -> str:
    return f"{x:.0f}" if x >= 10 else f"{x:.2g}"


def _number(x: float) -> str:
    return "-" if math.isnan(x) else f"{x:,.6g}"
