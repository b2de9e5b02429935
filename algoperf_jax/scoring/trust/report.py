"""How far a field's scores can be trusted, as JSON data."""

import math
from typing import Any

import numpy as np

from algoperf_jax.scoring.leaderboard import Leaderboard
from algoperf_jax.scoring.trust.drawn_fields import R_MAXES
from algoperf_jax.scoring.trust.summary import Trust


def trust_as_json(leaderboard: Leaderboard) -> dict[str, Any]:
    """`"evidence"`, and `"trust"` where it was asked for; "inf" is a miss, null is not known."""
    workloads = leaderboard.results.protocol.workloads
    evidence = {
        name: {
            workload: {
                "studies": cell.studies,
                "hits": cell.hits,
                "fastest": _plain(cell.fastest),
                "slowest": _plain(cell.slowest),
                "best_value": _plain(cell.best),
                "short_of_target_percent": _plain(cell.short_percent),
                "mixed": cell.mixed,
                "near_miss": cell.near_miss,
            }
            for workload, cell in zip(workloads, cells, strict=True)
        }
        for name, cells in leaderboard.cells.items()
    }
    found: dict[str, Any] = {"evidence": evidence}
    if leaderboard.trust is not None:
        found["trust"] = _trust(leaderboard, leaderboard.trust)
    return found


def _trust(leaderboard: Leaderboard, trust: Trust) -> dict[str, Any]:
    s = leaderboard.results
    names, base, workloads = s.submissions, s.protocol.base, s.protocol.workloads

    def by(names: Any, numbers: Any) -> dict[str, Any]:
        return {name: _plain(x) for name, x in zip(names, numbers, strict=True)}

    def table(columns: Any, numbers_Sx: np.ndarray) -> dict[str, Any]:
        return {name: by(columns, row) for name, row in zip(names, numbers_Sx, strict=True)}

    drawn, pace = trust.drawn, trust.pace
    found: dict[str, Any] = {
        "time_to_target_drawn_95": table(workloads, drawn.times_SxWx2),
        "faster_on_workload": {
            name: table(base, rows) for name, rows in zip(names, drawn.faster_SxSxB, strict=True)
        },
        "higher_score": table(names, drawn.better_SxS),
        "rank_shares": {
            name: _plain(row) for name, row in zip(names, drawn.ranks_SxR, strict=True)
        },
        "score_by_r_max": table([f"{r_max:g}" for r_max in R_MAXES], trust.by_r_max.T),
        "by_steps": {
            "score_exact": by(pace.by_steps.submissions, pace.by_steps.exact_S),
            "ranking": pace.by_steps.ranking,
        },
        "seconds_per_step": table(workloads, pace.seconds_per_step_SxW),
        "evaluation_share": table(workloads, pace.evaluation_share_SxW),
    }
    if drawn.speedups_SxBx2 is not None:
        found["speedup_drawn_95"] = table(base, drawn.speedups_SxBx2)
    if (sweep := trust.relaxation) is not None:
        found["relaxed_targets"] = {
            "percent": list(sweep.percentages),
            "score_exact": {
                name: _plain(column)
                for name, column in zip(sweep.submissions, sweep.scores_PxS.T, strict=True)
            },
            "leaders": [list(pair) for pair in sweep.leaders],
        }
    if trust.paired is not None:
        found["pair"] = {
            "submissions": list(trust.paired),
            "tests": "sigma pooled within submissions, p by Student's t; bootstrap over studies",
            "comparisons": [
                {name: _plain(x) for name, x in one._asdict().items()} for one in trust.pair
            ],
        }
    return found


def _plain(x: Any) -> Any:
    """Numbers that JSON knows, in lists where there are several."""
    if isinstance(x, np.ndarray) and x.ndim:
        return [_plain(one) for one in x]
    if isinstance(x, str | bool | int):
        return x
    number = float(x)
    if math.isnan(number):
        return None
    return "inf" if math.isinf(number) else number
