"""The round of 2026: its published scores, from tidy tables, from log trees, as it ships."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from log_trees import write_raw_tree

from algoperf_jax.rules import RULE_SETS
from algoperf_jax.scoring.field import ScoringChoices, leaderboard_of, read_field
from algoperf_jax.scoring.published import published_field
from algoperf_jax.scoring.reading import RecordedRuns, read
from algoperf_jax.scoring.results import ScoringResults, results_of
from workloads.facts import FACTS

FOLDER = Path(__file__).parent / "v06_a100_self"
FILES = sorted(set(FOLDER.glob("*.csv.gz")) - {FOLDER / "runs.csv.gz"})
RULES = RULE_SETS["v0.6-a100"]


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    """The scores and medians as they were published."""
    return json.loads((FOLDER / "published.json").read_text())


@pytest.fixture(scope="module")
def records() -> RecordedRuns:
    """All evaluations of the round."""
    return read(FILES, FACTS, RULES, "self")


def scored(records: RecordedRuns, **options: Any) -> ScoringResults:
    return results_of(records.runs, records.protocol, draws=2, **options)


def assert_published(results: ScoringResults, published: dict[str, Any]) -> None:
    found = dict(zip(results.submissions, results.published_S, strict=True))
    assert len(found) == 17
    assert {name: f"{score:.4f}" for name, score in found.items()} == {
        name: f"{score:.4f}" for name, score in published["published_scores"].items()
    }
    full = published["published_scores_full"]
    assert found == pytest.approx(full, abs=1e-12)


def test_all_scores_are_the_published_ones(
    records: RecordedRuns, published: dict[str, Any]
) -> None:
    assert_published(scored(records), published)


def test_all_medians_are_the_published_ones(
    records: RecordedRuns, published: dict[str, Any]
) -> None:
    results = scored(records)
    for name, times_W in zip(results.submissions, results.times_SxW, strict=True):
        wanted = published["published_time_to_target"][name]
        found = dict(zip(records.protocol.workloads, times_W, strict=True))
        assert found == pytest.approx({w: float(t) for w, t in wanted.items()}, abs=1e-6), name


def test_the_field_that_ships_with_the_kit_gives_the_same_board(published: dict[str, Any]) -> None:
    assert_published(scored(published_field(FACTS, RULES, "self")), published)


def test_log_trees_give_the_same_board(tmp_path: Path, published: dict[str, Any]) -> None:
    for file in FILES:
        write_raw_tree(file, tmp_path / "logs" / "self_tuning")
    assert_published(scored(read([tmp_path], FACTS, RULES, "self")), published)


def test_a_missing_study_that_counts_as_missed(records: RecordedRuns) -> None:
    """The two numbers were stated with the measurements."""
    results = scored(records, missing="missed")
    found = dict(zip(results.submissions, results.published_S, strict=True))
    assert f"{found['cautious_nadamw']:.4f}" == "0.2396"
    assert f"{found['single_worker_diloco']:.4f}" == "0.1190"


def test_missing_studies_are_told_where_they_were_left_out() -> None:
    choices = ScoringChoices(rules=RULES.name, tuning="self", against_published=True)
    (notice,) = [
        line for line in told(choices) if line.startswith("studies without measurements are left")
    ]
    assert "cautious_nadamw on finewebedu_lm (1 of 3)" in notice
    assert "single_worker_diloco on fastmri (2 of 3)" in notice
    strict = dataclasses.replace(choices, missing_studies="missed")
    assert not [line for line in told(strict) if "left out of medians" in line]


def told(choices: ScoringChoices) -> tuple[str, ...]:
    return leaderboard_of(read_field(choices, "self", FACTS), choices).notices


def test_own_records_take_their_place_in_the_field(tmp_path: Path) -> None:
    """The winner under another name shares its times, so it gets the score of a tie."""
    (file,) = [file for file in FILES if file.name.startswith("schedule_free_adamw_v2.")]
    write_raw_tree(file, tmp_path)
    (tmp_path / "schedule_free_adamw_v2").rename(tmp_path / "mine")
    choices = ScoringChoices((tmp_path,), RULES.name, "self", against_published=True)
    results = leaderboard_of(read_field(choices, "self", FACTS), choices).results
    assert len(results.submissions) == 18
    assert set(results.ranking[:2]) == {"mine", "schedule_free_adamw_v2"}
    mine = results.submissions.index("mine")
    twin = results.submissions.index("schedule_free_adamw_v2")
    np.testing.assert_array_equal(results.ratios_SxB[mine], results.ratios_SxB[twin])
