"""The published field: what every run of the v0.5 competition came to, external tuning."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from algoperf_jax.errors import UserError
from algoperf_jax.rules import Facts, RuleSet, Tuning
from algoperf_jax.scoring.reading import RecordedRuns, read
from algoperf_jax.scoring.submission_info import SubmissionInfo, read_infos

RUNS = Path(__file__).parent / "published" / "v05_external_runs.csv.gz"
"""One row per run; `published/README.md` says where it comes from."""

SUBMISSIONS = RUNS.with_name("v05_submissions.json")
"""Who they are."""

HARDWARE = "8 x V100 (16 GB)"
"""What the published runs were timed on."""


def published_field(
    facts: Mapping[str, Facts], rules: RuleSet, tuning: Tuning, base_only: bool = False
) -> RecordedRuns:
    """The records of the published field.

    Raises:
      UserError: other rules are asked for than those it was run under.
    """
    if (rules.name, tuning) != ("v0.5", "external"):
        raise UserError(
            "the published field was run under v0.5 with external tuning, not under "
            f"{rules.name} with {tuning} tuning; score your records without it"
        )
    return read([RUNS], facts, rules, tuning, scale="full", base_only=base_only)


def published_infos() -> list[SubmissionInfo]:
    """What is known of the published submissions."""
    return read_infos(SUBMISSIONS)


def within(yours: RecordedRuns, published: RecordedRuns) -> tuple[pl.DataFrame, dict[str, int]]:
    """Runs of both fields, and the numbers of studies of the published submissions.

    Raises:
      UserError: a name occurs in both.
    """
    names = set(published.runs["submission"])
    if common := sorted(names & set(yours.runs["submission"])):
        raise UserError(
            f"{common[0]!r} is the name of a published submission; rename the folder of yours"
        )
    runs = pl.concat([yours.runs, published.runs.select(yours.runs.columns)])
    return runs, dict.fromkeys(sorted(names), published.protocol.studies)
