"""A small protocol with small log trees, and the records of the published field."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from algoperf_jax.rules import RULE_SETS, Facts, Limits, Target
from algoperf_jax.scoring.protocol import ScoringProtocol, protocol_of
from algoperf_jax.scoring.reading import RecordedRuns, read
from workloads.facts import FACTS

PUBLISHED = Path(__file__).parent / "v05_external"

LIMITS = {"v0.5": Limits(1000, 100.0, 10.0), "v0.6": Limits(800, 80.0, 10.0)}
ALPHA = Facts(Target("accuracy", "max", 0.5, 0.4), LIMITS, qualification=True)
SMALL_FACTS = {
    "alpha": ALPHA,
    "beta": Facts(Target("loss", "min", 1.0, 1.1), LIMITS),
    "alpha_wide": dataclasses.replace(ALPHA, base_name="alpha", held_out=True),
    "alpha_deep": dataclasses.replace(ALPHA, base_name="alpha"),
}
"""Two base workloads, a variant that was drawn for scoring, and one that was not."""


@pytest.fixture
def facts() -> dict[str, Facts]:
    """The facts of the small protocol."""
    return dict(SMALL_FACTS)


@pytest.fixture
def small_protocol() -> ScoringProtocol:
    """The small protocol under v0.5, external tuning: a budget of 100 s, 5 studies of 5 trials."""
    return protocol_of(SMALL_FACTS, RULE_SETS["v0.5"], "external")


@pytest.fixture
def write_trial(tmp_path: Path) -> Callable[..., Path]:
    """Writes one trial of a log tree below `tmp_path / "logs"`; returns its folder."""

    def write(
        rows: Sequence[tuple[Any, Any, Any]] | bytes | None = ((1, 5.0, 0.1), (10, 50.0, 0.6)),
        *,
        submission: str = "fast",
        study: int = 0,
        workload: str = "alpha",
        framework: str = "jax",
        trial: int = 1,
        metric: str = "accuracy",
        meta_data: dict[str, Any] | None = None,
        root: str = "logs",
    ) -> Path:
        folder = tmp_path / root / submission / f"study_{study}"
        folder = folder / f"{workload}_{framework}" / f"trial_{trial}"
        folder.mkdir(parents=True)
        if isinstance(rows, bytes):
            (folder / "eval_measurements.csv").write_bytes(rows)
        elif rows is not None:
            header = f"global_step,score,train/{metric},validation/{metric}\n"
            lines = [f"{step},{seconds},,{value}\n" for step, seconds, value in rows]
            (folder / "eval_measurements.csv").write_text(header + "".join(lines))
        if meta_data is not None:
            (folder / "meta_data.json").write_text(json.dumps(meta_data))
        return folder

    return write


@pytest.fixture
def account() -> Callable[..., dict[str, Any]]:
    """What the kit's own record says of a trial of alpha, with values in place of the usual."""

    def account(
        scale: str = "mini", rules: str = "v0.5", tuning: str = "external", **values: Any
    ) -> dict[str, Any]:
        return {
            "configuration": {"scale": scale, "rules": rules, "tuning": tuning},
            "workload.target_metric": "accuracy",
            "workload.target_direction": "max",
            "workload.validation_target_value": 0.3,
            "workload.test_target_value": 0.2,
            "workload.step_hint": 50,
            "workload.max_allowed_runtime_sec": 20.0,
            "budget_sec": 20.0,
            **values,
        }

    return account


@pytest.fixture(scope="session")
def expected() -> dict[str, Any]:
    """The results of the published field, computed independently of the kit."""
    return json.loads((PUBLISHED / "expected.json").read_text())


@pytest.fixture(scope="session")
def published_files() -> list[Path]:
    """All evaluations of the published field, a file per submission."""
    return sorted(set(PUBLISHED.glob("*.csv.gz")) - {PUBLISHED / "runs.csv.gz"})


@pytest.fixture(scope="session")
def published_records(published_files: list[Path]) -> RecordedRuns:
    """The published field, read from its evaluations."""
    return read(published_files, FACTS, RULE_SETS["v0.5"], "external")
