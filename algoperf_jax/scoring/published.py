"""The published fields: what every run of a round of the benchmark came to."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from algoperf_jax.errors import UserError
from algoperf_jax.rules import Facts, RuleSet, Tuning
from algoperf_jax.scoring.reading import RecordedRuns, read
from algoperf_jax.scoring.submission_info import SubmissionInfo, read_infos

_FOLDER = Path(__file__).parent / "published"


@dataclasses.dataclass(frozen=True)
class PublishedField:
    """A round of the benchmark; `published/README.md` says where its files come from.

    Attributes:
      runs: one row per run.
      hardware: what they were timed on.
      submissions: who they are; None where that is not known.
    """

    runs: Path
    hardware: str
    submissions: Path | None = None

    @property
    def infos(self) -> list[SubmissionInfo]:
        """What is known of the submissions."""
        return read_infos(self.submissions) if self.submissions else []


FIELDS: Mapping[tuple[str, Tuning], PublishedField] = {
    ("v0.5", "external"): PublishedField(
        _FOLDER / "v05_external_runs.csv.gz",
        "8 x V100 (16 GB)",
        _FOLDER / "v05_submissions.json",
    ),
    ("v0.6-a100", "self"): PublishedField(
        _FOLDER / "v06_a100_self_runs.csv.gz", "4 x A100-SXM4 (40 GB)"
    ),
}
"""By name of the rule set and tuning rule."""


def field_of(rules: str, tuning: Tuning) -> PublishedField:
    """The published field of a rule set and tuning rule; a `UserError` names those there are."""
    if (rules, tuning) not in FIELDS:
        there = " and ".join(f"{name} with {kind} tuning" for name, kind in FIELDS)
        raise UserError(
            f"there are published fields under {there}, none under {rules} with {tuning} tuning; "
            "score your records without it"
        )
    return FIELDS[rules, tuning]


def published_field(
    facts: Mapping[str, Facts], rules: RuleSet, tuning: Tuning, base_only: bool = False
) -> RecordedRuns:
    """The records of the published field.

    Raises:
      UserError: there is none under these rules.
    """
    runs = field_of(rules.name, tuning).runs
    return read([runs], facts, rules, tuning, scale="full", base_only=base_only)


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
    # Evaluations name their runs by number.
    theirs = published.runs.with_columns(pl.col("run") + yours.runs["run"].max() + 1)
    runs = pl.concat([yours.runs, theirs.select(yours.runs.columns).cast(yours.runs.schema)])
    return runs, dict.fromkeys(sorted(names), published.protocol.studies)
