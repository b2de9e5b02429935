"""From paths of records to leaderboards, one per tuning rule.

In a notebook:

    from pathlib import Path
    from algoperf_jax.scoring import formats
    from algoperf_jax.scoring.field import ScoringChoices, leaderboard_of, read_field
    from algoperf_jax.scoring.tables import tables
    from workloads.facts import FACTS

    choices = ScoringChoices(paths=(Path("experiments"),))
    leaderboard = leaderboard_of(read_field(choices, "external", FACTS), choices)
    for table in tables(leaderboard):
        print(formats.as_text(table))
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from algoperf_jax.errors import UserError
from algoperf_jax.rules import Facts, MissingStudies, RuleSet, Tuning, rule_set
from algoperf_jax.scoring import published
from algoperf_jax.scoring.contents import tunings_at
from algoperf_jax.scoring.curves import curves
from algoperf_jax.scoring.input_warnings import fail_if_any
from algoperf_jax.scoring.leaderboard import Leaderboard, frameworks
from algoperf_jax.scoring.protocol import Time, TrialChoice
from algoperf_jax.scoring.reading import RecordedRuns, read
from algoperf_jax.scoring.results import ScoringResults, results_of
from algoperf_jax.scoring.submission_info import SubmissionInfo, infos_beside, infos_for
from algoperf_jax.scoring.trust.evidence import cells
from algoperf_jax.scoring.trust.summary import trust_in

MINI_NOTICE = (
    "scale mini: records of small models on embedded data, for development. These are not "
    "benchmark scores."
)
HARDWARE_NOTICE = (
    "rows marked published were timed on {hardware}, yours on the hardware in your records: "
    "where that differs, ratios and scores compare hardware as well as algorithms"
)
STEPS_NOTICE = (
    "time in steps: a step is one update of the submission, which some define differently; "
    "benchmark scores are in seconds"
)


@dataclasses.dataclass(frozen=True)
class ScoringChoices:
    """The options of a scoring.

    Attributes:
      paths: of records, as `reading.read` takes them; may be empty with `against_published`.
      rules: name of the rule set.
      tuning: the tuning rule, or `"both"` for a leaderboard of each that the records are of.
      scale: `"mini"` or `"full"`; None for the one that the records have.
      time: the unit that is scored, `"seconds"` or `"steps"`.
      trial_choice: the trial that a study counts, as `times.study_times` takes it.
      missing_studies: whether a study without measurements has missed the target or is left out of
        the median; None for what the rule set's published tables do.
      studies: studies planned for the records; None for as many as the rules say.
      qualification: the qualification set alone.
      base_only: without held-out workloads and their rule.
      workloads: the workloads that are compared; empty for those of the rules.
      relax_targets: by how many percent of themselves validation targets are easier to meet.
      against_published: whether the published field is scored too.
      baseline: the submission that speed-ups refer to; None for the one called `baseline`, if any.
      strict: whether a warning about the input is an error.
    """

    paths: tuple[Path, ...] = ()
    rules: str = "v0.5"
    tuning: Tuning | Literal["both"] = "external"
    scale: str | None = None
    time: Time = "seconds"
    trial_choice: TrialChoice = "min_time"
    missing_studies: MissingStudies | None = None
    studies: int | None = None
    qualification: bool = False
    base_only: bool = False
    workloads: tuple[str, ...] = ()
    relax_targets: float = 0.0
    against_published: bool = False
    baseline: str | None = None
    strict: bool = False


@dataclasses.dataclass(frozen=True)
class Field:
    """The submissions that are compared under one tuning rule.

    Attributes:
      records: read from paths; the published records where there are no paths.
      published: the records of the published field, if it takes part.
      infos: what lies beside the records about who they are of.
    """

    records: RecordedRuns
    published: RecordedRuns | None = None
    infos: tuple[SubmissionInfo, ...] = ()

    @property
    def published_alone(self) -> bool:
        """Whether nothing but the published field is compared."""
        return self.records is self.published


def tunings(choices: ScoringChoices) -> list[Tuning]:
    """The tuning rules that are scored: the one chosen, or all that the records are of.

    Under `"both"` a folder without records counts as one of external tuning, for which
    `read_field` raises the error.
    """
    if choices.tuning != "both":
        return [choices.tuning]
    found = tunings_at(choices.paths)
    if choices.against_published:
        found += [tuning for rules, tuning in published.FIELDS if rules == choices.rules]
    return [tuning for tuning in _TUNINGS if tuning in (found or _TUNINGS[:1])]


def read_field(choices: ScoringChoices, tuning: Tuning, facts: Mapping[str, Facts]) -> Field:
    """Reads the records of one tuning rule, and the published ones if they take part.

    Args:
      choices: options of the scoring.
      tuning: one of `tunings(choices)`.
      facts: of all workloads, by name.

    Raises:
      UserError: as `reading.read` and `published.published_field` do; a warning where one is
        strict.
    """
    rules, shared = rule_set(choices.rules), choices.tuning == "both"
    if choices.workloads and choices.against_published:
        raise UserError("workloads: the published field is scored on those of its rules alone")
    if choices.relax_targets and choices.against_published:
        raise UserError(
            "relaxed targets: of the published field only summaries are at hand, which tell times "
            "to the true targets alone"
        )
    field = None
    if choices.against_published and not (
        shared and (choices.rules, tuning) not in published.FIELDS
    ):
        field = published.published_field(facts, rules, tuning, choices.base_only)
        if not _has_paths(choices, tuning):
            return Field(field, field)
    records = _read(choices, rules, tuning, facts)
    infos, found = infos_beside(records.runs)
    records = dataclasses.replace(records, warnings=(*records.warnings, *found))
    if choices.strict:
        fail_if_any(records.warnings)
    return Field(records, field, tuple(infos))


def leaderboard_of(
    field: Field,
    choices: ScoringChoices,
    described: Iterable[SubmissionInfo] = (),
    *,
    with_curves: bool = False,
    with_trust: bool = False,
    paired: tuple[str, str] | None = None,
) -> Leaderboard:
    """Scores a field.

    Args:
      field: as `read_field` gives it.
      choices: the same ones.
      described: information on submissions, in addition to the files in their folders.
      with_curves: whether the leaderboard holds the training curves.
      with_trust: whether it holds how far its scores can be trusted.
      paired: names of two submissions that are compared there.

    Raises:
      UserError: a name occurs in the records and in the published field, or there is no
        submission of the name given as baseline.
    """
    records = field.records
    runs, studies = records.runs, dict[str, int]()
    names, known = frozenset[str](), list[SubmissionInfo]()
    if field.published is not None:
        names = frozenset(field.published.runs["submission"])
        known = published.field_of(choices.rules, records.protocol.tuning).infos
        if not field.published_alone:
            runs, studies = published.within(records, field.published)
    results = results_of(
        runs,
        records.protocol,
        time=choices.time,
        trial_choice=choices.trial_choice,
        baseline=choices.baseline,
        studies=studies,
        missing=choices.missing_studies,
    )
    tuning = records.protocol.tuning
    known += [*field.infos, *described]
    trust = None
    if with_trust or paired:
        trust = trust_in(results, runs, records.evaluations, studies=studies, paired=paired)
    shown = curves(records.runs, records.evaluations, choices.time) if with_curves else ()
    return Leaderboard(
        results=results,
        scale=records.scale,
        title=(
            f"Rules {choices.rules}, {tuning} tuning, scale {records.scale}, time in "
            f"{choices.time}, trial choice {choices.trial_choice}: {runs.height} runs of "
            f"{len(results.submissions)} submissions"
        ),
        notices=(*_notices(choices, field), *_missing_studies(results)),
        warnings=records.warnings,
        infos=infos_for(frameworks(runs), known, tuning),
        cells=cells(results, runs, records.evaluations),
        trust=trust,
        sources=tuple(sorted(set(runs["file"]))),
        published=names,
        curves=tuple(shown),
    )


_TUNINGS: tuple[Tuning, ...] = ("external", "self")


def _has_paths(choices: ScoringChoices, tuning: Tuning) -> bool:
    """Whether the paths hold records for this tuning rule, as far as one can tell beforehand."""
    return bool(choices.paths) and (choices.tuning != "both" or tuning in tunings_at(choices.paths))


def _read(
    choices: ScoringChoices, rules: RuleSet, tuning: Tuning, facts: Mapping[str, Facts]
) -> RecordedRuns:
    return read(
        choices.paths,
        facts,
        rules,
        tuning,
        scale=choices.scale or ("full" if choices.against_published else None),
        studies=choices.studies,
        qualification=choices.qualification,
        base_only=choices.base_only,
        relax_targets=choices.relax_targets,
        workloads=choices.workloads,
        shared=choices.tuning == "both",
    )


def _notices(choices: ScoringChoices, field: Field) -> list[str]:
    """Notices for readers of the scores."""
    notices = [MINI_NOTICE] if field.records.scale == "mini" else []
    notices += [STEPS_NOTICE] if choices.time == "steps" else []
    if choices.relax_targets:
        notices.append(
            f"targets relaxed by {choices.relax_targets:g} %: these are not benchmark scores"
        )
    if field.published is not None:
        tuning = field.records.protocol.tuning
        hardware = published.field_of(choices.rules, tuning).hardware
        notices.append(HARDWARE_NOTICE.format(hardware=hardware))
    return [*notices, *field.records.notes]


def _missing_studies(results: ScoringResults) -> list[str]:
    """A notice where a median is one of fewer studies than were planned."""
    cells = []
    for name in results.submissions:
        for workload, times_K in zip(
            results.protocol.workloads, results.study_times[name], strict=True
        ):
            there = int((~np.isnan(times_K)).sum())
            if 0 < there < len(times_K):
                cells.append(f"{name} on {workload} ({there} of {len(times_K)})")
    if not cells:
        return []
    return [
        f"studies without measurements are left out of medians: {', '.join(cells)}; "
        "--missing_studies=missed counts them as missed"
    ]
