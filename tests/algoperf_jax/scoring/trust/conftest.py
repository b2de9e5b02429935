"""The self-tuning board of 2026."""

from pathlib import Path

import pytest

from algoperf_jax.rules import RULE_SETS
from algoperf_jax.scoring.reading import RecordedRuns, read
from algoperf_jax.scoring.results import ScoringResults, results_of
from workloads.facts import FACTS

FOLDER = Path(__file__).parent.parent / "v06_a100_self"


@pytest.fixture(scope="session")
def records() -> RecordedRuns:
    """All its evaluations."""
    files = sorted(set(FOLDER.glob("*.csv.gz")) - {FOLDER / "runs.csv.gz"})
    return read(files, FACTS, RULE_SETS["v0.6-a100"], "self")


@pytest.fixture(scope="session")
def results(records: RecordedRuns) -> ScoringResults:
    """Its scores; speed-ups over NAdamW."""
    return results_of(records.runs, records.protocol, baseline="nadamw", draws=2)
