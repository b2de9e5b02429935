"""Everything about a field in one file: JSON data, a tidy CSV, or Markdown."""

import csv
import io
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from algoperf_jax.scoring import formats
from algoperf_jax.scoring.leaderboard import Leaderboard, ranked
from algoperf_jax.scoring.profiles import profiles
from algoperf_jax.scoring.results import ScoringResults
from algoperf_jax.scoring.submission_info import SubmissionInfo
from algoperf_jax.scoring.tables import MARKS, PROFILE_TAUS, all_tables
from algoperf_jax.scoring.trust.report import trust_as_json

CSV_COLUMNS = (
    *("tuning", "rank", "submission", "field", "name", "organisations", "authors", "framework"),
    *("prize_eligible", "score_exact", "score_trapezoid_100", "score_published_rule"),
    *("interval_low", "interval_high"),
    *("without_workload_low", "without_workload_high", "without_submission_low"),
    *("without_submission_high", "geometric_mean_speedup", "workload", "held_out"),
    *("time_to_target", "budget_fraction", "status", "mark", "performance_ratio", "speedup"),
)


def leaderboards_as_json(leaderboards: Sequence[Leaderboard]) -> str:
    """All numbers of a leaderboard as JSON; of several an object with one per tuning rule."""
    data = {
        one.results.protocol.tuning: {
            **as_json(one.results, one.published),
            **trust_as_json(one),
            "scale": one.scale,
            "notices": one.notices,
            "warnings": [warning._asdict() for warning in one.warnings],
        }
        for one in leaderboards
    }
    content = data if len(leaderboards) > 1 else next(iter(data.values()))
    return json.dumps(content, indent=1) + "\n"


def leaderboards_as_csv(leaderboards: Sequence[Leaderboard]) -> str:
    """The tidy tables of all leaderboards in one, as `as_csv` describes it."""
    parts = [as_csv(one.results, one.infos, one.published) for one in leaderboards]
    bodies = [part.partition("\n")[2] for part in parts[1:]]
    return "".join([parts[0], *bodies])


def leaderboards_as_markdown(leaderboards: Sequence[Leaderboard]) -> str:
    """All tables of all leaderboards in Markdown."""
    parts = ["# Scores"]
    for one in leaderboards:
        shown = all_tables(one)
        parts += [one.title, *one.notices]
        parts += [formats.as_markdown(table, one.results.baseline) for table in shown]
    return "\n\n".join(parts)


def as_json(results: ScoringResults, published: Collection[str] = ()) -> dict[str, Any]:
    """All numbers as JSON data; "inf" is a miss, null (as a fraction: "*") no measurement.

    Args:
      results: of the field.
      published: names of the submissions of the published field.
    """
    s, protocol = results, results.protocol
    base, workloads = protocol.base, protocol.workloads
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
        "rules": protocol.rules.name,
        "tuning": protocol.tuning,
        "time": s.time,
        "trial_choice": s.trial_choice,
        "missing_studies": s.missing,
        "studies": protocol.studies,
        "trials": protocol.trials,
        "base_workloads": list(base),
        "held_out_workloads": list(protocol.held_out),
        "r_max": protocol.rules.r_max,
        "budgets": {name: _number(x) for name, x in zip(workloads, s.budgets_W, strict=True)},
        "profile_taus": list(PROFILE_TAUS),
        "published": sorted(published),
        "time_to_target": table(s.times_SxW, workloads),
        "study_times": by_submission(
            {
                name: None if np.isnan(times).all() else [_number(x) for x in times]
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
        "score_published_rule": by_submission(s.published_S.tolist()),
        "score_exact": by_submission(s.exact_S.tolist()),
        "ranking": s.ranking,
        "baseline": s.baseline,
        "speedup_vs_baseline": _speedups_json(s),
        "score_interval_95": by_submission(s.interval_Sx2.tolist()),
        "score_without_workload": table(s.without_workload_SxB, base),
        "score_without_submission": table(s.without_submission_SxS, s.submissions),
    }


def as_csv(
    results: ScoringResults, infos: Mapping[str, SubmissionInfo], published: Collection[str] = ()
) -> str:
    """A tidy table: one row per submission, by rank, and workload, held-out ones included.

    `CSV_COLUMNS` begins with the submission: field is published or yours, several names are joined
    by commas, prize_eligible is 0, 1 or empty. Its scores and their ranges follow. The last columns
    are those of the workload: held_out (0 or 1), time_to_target (seconds or steps; inf for a miss,
    empty for no data), budget_fraction, status, mark, performance_ratio and speedup (the last four
    on base workloads only).

    Args:
      results: of the field.
      infos: by submission.
      published: names of the submissions of the published field.
    """
    s, protocol = results, results.protocol
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for rank, (name, i) in enumerate(ranked(s), 1):
        info, field = infos[name], "published" if name in published else "yours"
        prize = "" if info.prize_eligible is None else int(info.prize_eligible)
        ranges = [*_ends(s.interval_Sx2[i]), *_ends(s.without_workload_SxB[i])]
        ranges += _ends(s.without_submission_SxS[i])
        mean = _cell(s.speedups.geometric_mean_S[i]) if s.speedups else ""
        start = [
            *(protocol.tuning, rank, name, field, info.name, ", ".join(info.organisations)),
            *(", ".join(info.authors), info.framework, prize),
            *map(float, (s.exact_S[i], s.trapezoid_S[i], s.published_S[i])),
            *(*ranges, mean),
        ]
        for w, workload in enumerate(protocol.workloads):
            numbers = [_cell(s.times_SxW[i, w]), _cell(s.fractions_SxW[i, w])]
            held_out = w >= len(protocol.base)
            judged = ["", "", "", ""]
            if not held_out:
                status = s.statuses[i][w]
                speedup = _cell(s.speedups.per_workload_SxB[i, w]) if s.speedups else ""
                judged = [status, MARKS.get(status, ""), _cell(s.ratios_SxB[i, w]), speedup]
            writer.writerow([*start, workload, int(held_out), *numbers, *judged])
    return text.getvalue()


def _speedups_json(s: ScoringResults) -> dict[str, Any]:
    if s.speedups is None:
        return {}
    means = s.speedups.geometric_mean_S
    return {
        name: {
            "geometric_mean": float(means[i]),
            "time_ratio": float(1.0 / means[i]),
            "has_missing_data": bool(s.speedups.has_missing_data_S[i]),
            "per_workload": dict(
                zip(s.protocol.base, s.speedups.per_workload_SxB[i].tolist(), strict=True)
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


def _ends(scores: np.ndarray) -> list[str]:
    """The smallest and the largest one."""
    known = scores[~np.isnan(scores)]
    return [_cell(known.min()), _cell(known.max())] if known.size else ["", ""]
