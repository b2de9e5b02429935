"""Relaxed targets, against boards whose targets were relaxed by hand before reading."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.rules import RULE_SETS
from algoperf_jax.scoring.field import ScoringChoices, leaderboard_of, read_field
from algoperf_jax.scoring.reading import RecordedRuns, read
from algoperf_jax.scoring.relaxed_targets import relaxed
from algoperf_jax.scoring.results import ScoringResults, results_of
from algoperf_jax.scoring.trust.relaxation import Relaxation, relaxation
from workloads.facts import FACTS

FOLDER = Path(__file__).parent.parent / "v06_a100_self"
FILES = sorted(set(FOLDER.glob("*.csv.gz")) - {FOLDER / "runs.csv.gz"})


@pytest.fixture(scope="module")
def sweep(records: RecordedRuns) -> Relaxation:
    return relaxation(records.runs, records.evaluations, records.protocol, missing="left out")


def test_without_relaxation_it_is_the_board_itself(
    sweep: Relaxation, results: ScoringResults
) -> None:
    assert sweep.submissions == results.submissions
    np.testing.assert_allclose(sweep.scores_PxS[0], results.exact_S, atol=1e-12)


@pytest.mark.parametrize("percent", [1, 15])
def test_scores_are_those_of_facts_relaxed_by_hand(sweep: Relaxation, percent: int) -> None:
    facts = {}
    for name, fact in FACTS.items():
        factor = 1 - percent / 100 if fact.target.direction == "max" else 1 + percent / 100
        target = dataclasses.replace(fact.target, validation=fact.target.validation * factor)
        facts[name] = dataclasses.replace(fact, target=target)
    records = read(FILES, facts, RULE_SETS["v0.6-a100"], "self")
    right = results_of(records.runs, records.protocol, draws=2).exact_S
    np.testing.assert_allclose(sweep.scores_PxS[percent], right, atol=1e-9)
    choices = ScoringChoices(tuple(FILES), "v0.6-a100", "self", relax_targets=percent)
    board = leaderboard_of(read_field(choices, "self", FACTS), choices)
    np.testing.assert_allclose(board.results.exact_S, right, atol=1e-9)
    assert f"targets relaxed by {percent} %: these are not benchmark scores" in board.notices


def test_the_lead_changes_with_the_targets(sweep: Relaxation) -> None:
    """As was stated with the measurements: at 1 % another leads, at 15 % a third."""
    ranks = {name: sweep.ranks_PxS[:, i] for i, name in enumerate(sweep.submissions)}
    assert ranks["schedule_free_adamw_v2"][0] == ranks["ademamix"][1] == 1
    leaders = [next(name for x, name in reversed(sweep.leaders) if x <= at) for at in (0, 1, 15)]
    assert len(set(leaders)) == 3
    for percent, name in sweep.leaders:
        assert ranks[name][int(percent)] == 1


def test_summaries_cannot_be_relaxed() -> None:
    against = ScoringChoices(rules="v0.6-a100", tuning="self", against_published=True)
    with pytest.raises(UserError, match="only summaries are at hand"):
        read_field(dataclasses.replace(against, relax_targets=1), "self", FACTS)
    summary = ScoringChoices((FOLDER / "runs.csv.gz",), "v0.6-a100", "self", relax_targets=1)
    with pytest.raises(UserError, match="one row per run tells its time to the true target"):
        read_field(summary, "self", FACTS)


@pytest.mark.parametrize("percent", [-1, 100])
def test_a_percentage_out_of_range_is_refused(percent: int) -> None:
    with pytest.raises(UserError, match="at least 0 and below 100"):
        relaxed(FACTS, percent)
