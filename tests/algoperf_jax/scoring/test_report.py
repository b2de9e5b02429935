"""JSON, CSV, Markdown and the tables on the terminal."""

import csv
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from leaderboards import leaderboard_of

from algoperf_jax.rules import RULE_SETS, Facts
from algoperf_jax.scoring import formats, report, tables
from algoperf_jax.scoring.leaderboard import Leaderboard
from algoperf_jax.scoring.reading import read
from algoperf_jax.scoring.submission_info import infos_for


@pytest.fixture
def field(tmp_path: Path, facts: dict[str, Facts], write_trial: Callable[..., Path]) -> Leaderboard:
    """Three submissions of one study: baseline solves both, slow one too late, idle nothing."""
    seconds = {"baseline": (10.0, 20.0), "slow": (41.0, 40.0), "idle": (None, None)}
    for name, (alpha, beta) in seconds.items():
        write_trial([(1, alpha, 0.7)] if alpha else None, submission=name)
        rows = [(1, beta, 0.7)] if beta else [(1, 1.0, 9.0)]
        write_trial(rows, submission=name, workload="beta", metric="loss")
    records = read(
        [tmp_path / "logs"], facts, RULE_SETS["v0.5"], "external", studies=1, base_only=True
    )
    return leaderboard_of(records)


def test_json_has_the_keys_of_the_expected_results_and_is_valid(
    field: Leaderboard, expected: dict[str, Any]
) -> None:
    data = report.as_json(field.results)
    assert expected["rules"]["min_time"].keys() <= data.keys()
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_json_tells_misses_from_missing_data(field: Leaderboard) -> None:
    data = report.as_json(field.results)
    assert data["time_to_target"]["idle"] == {"alpha": None, "beta": "inf"}
    assert data["budget_fraction"]["idle"] == {"alpha": "*", "beta": "inf"}
    assert data["study_times"]["idle"] == {"alpha": None, "beta": ["inf"]}
    assert data["status"]["slow"] == {"alpha": "over_4x", "beta": "scored"}


def test_text_shows_scores_by_rank_and_marks_fractions(field: Leaderboard) -> None:
    scores, fractions, speedups = map(formats.as_text, tables.tables(field))
    ranked = [line.split()[1] for line in scores.splitlines() if line[:2] in ("1 ", "2 ", "3 ")]
    assert ranked == ["baseline", "slow", "idle"]
    rows = [line.split() for line in fractions.splitlines()]
    assert ["slow", "0.4100", "a", "0.4000"] in rows
    assert ["idle", "*", "inf"] in rows
    assert "Speed-up over baseline" in speedups


def test_published_rows_are_marked(field: Leaderboard) -> None:
    field = dataclasses.replace(field, published=frozenset({"slow"}))
    text = formats.as_text(tables.score_table(field))
    fields = [line.split()[2] for line in text.splitlines() if line[:2] in ("1 ", "2 ", "3 ")]
    assert fields == ["yours", "published", "yours"]


def test_markdown_sets_the_baseline_in_italics(field: Leaderboard) -> None:
    text = formats.as_markdown(tables.fraction_table(field), "baseline")
    assert "| _baseline_ | 0.1000 | 0.2000 |" in text
    assert r"| idle | \* | inf |" in text


def test_csv_has_a_row_per_submission_and_workload(field: Leaderboard) -> None:
    infos = infos_for(dict.fromkeys(field.results.submissions, "jax"), [], "external")
    rows = list(csv.DictReader(io.StringIO(report.as_csv(field.results, infos))))
    assert [(row["submission"], row["workload"]) for row in rows] == [
        (name, workload) for name in ("baseline", "slow", "idle") for workload in ("alpha", "beta")
    ]
    assert rows[3]["performance_ratio"] == "2.0" and rows[3]["speedup"] == "0.5"
    assert rows[4]["time_to_target"] == "" and rows[5]["time_to_target"] == "inf"
