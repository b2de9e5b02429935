"""A leaderboard of records, without paths in between."""

from typing import Any

from algoperf_jax.scoring.curves import curves
from algoperf_jax.scoring.leaderboard import Leaderboard, frameworks
from algoperf_jax.scoring.reading import RecordedRuns
from algoperf_jax.scoring.results import results_of
from algoperf_jax.scoring.submission_info import infos_for
from algoperf_jax.scoring.trust.evidence import cells
from algoperf_jax.scoring.trust.summary import trust_in


def leaderboard_of(
    records: RecordedRuns, described: Any = (), *, draws: int = 10, **changes: Any
) -> Leaderboard:
    """The leaderboard with all that it can hold; `changes` are other values of its fields."""
    results = results_of(records.runs, records.protocol, draws=draws)
    fields = {
        "results": results,
        "scale": records.scale,
        "title": "Title",
        "notices": (),
        "warnings": records.warnings,
        "infos": infos_for(frameworks(records.runs), described, records.protocol.tuning),
        "cells": cells(results, records.runs, records.evaluations),
        "trust": trust_in(results, records.runs, records.evaluations),
        "sources": tuple(records.runs["file"]),
        "curves": tuple(curves(records.runs, records.evaluations)),
    }
    return Leaderboard(**{**fields, **changes})
