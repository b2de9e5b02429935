"""The flags of `score.py`: which of them go together, and what they come to."""

import argparse
from pathlib import Path

from algoperf_jax.errors import UserError
from algoperf_jax.scoring.field import ScoringChoices
from algoperf_jax.scoring.figure import check_figure
from algoperf_jax.scoring.submission_info import FILE


def parser() -> argparse.ArgumentParser:
    """The flags."""
    p = argparse.ArgumentParser(
        description="Scores records of training runs as the benchmark's rules say."
    )
    p.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="a folder of records, a log tree SUBMISSION/study_K/WORKLOAD_FRAMEWORK/trial_J of one "
        "or several submissions, or tidy CSV files (gzipped or not)",
    )
    _add_rules(p.add_argument_group("what is scored"))
    _add_output(p.add_argument_group("output, besides the tables on the terminal"))
    return p


def _add_rules(rules: argparse._ArgumentGroup) -> None:
    rules.add_argument(
        "--rules",
        default="v0.5",
        help="edition of the rules: v0.5, v0.6 or v0.6-a100 (default: v0.5)",
    )
    rules.add_argument(
        "--tuning",
        choices=("external", "self", "both"),
        default="external",
        help="records of one tuning rule, or a leaderboard for each that the records are of; "
        "records that do not say are of external tuning then (default: external)",
    )
    rules.add_argument(
        "--scale",
        choices=("mini", "full"),
        help="the records to score where there are both (default: the scale they have, else full)",
    )
    rules.add_argument(
        "--time",
        choices=("seconds", "steps"),
        default="seconds",
        help="score submission time, or steps (default: seconds)",
    )
    rules.add_argument(
        "--trial_choice",
        choices=("min_time", "first_eval"),
        default="min_time",
        help="the trial that a study counts: the fastest one, or the one with the earliest "
        "evaluation by number, as published scores have it (default: min_time)",
    )
    rules.add_argument(
        "--missing_studies",
        choices=("missed", "left_out"),
        help="what a study without any evaluation is in a median: a miss, or left out of it "
        "(default: as the published tables of the rules have it; left out under v0.6-a100 only)",
    )
    rules.add_argument(
        "--studies", type=int, help="studies planned for your records (default: as the rules say)"
    )
    rules.add_argument(
        "--qualification", action="store_true", help="score the qualification set alone"
    )
    rules.add_argument(
        "--base_only", action="store_true", help="leave out held-out workloads and their rule"
    )
    rules.add_argument(
        "--against",
        choices=("published",),
        help="score within the published field of the rules: v0.5 with external tuning, v0.6-a100 "
        "with self-tuning",
    )
    rules.add_argument(
        "--workloads",
        nargs="+",
        default=[],
        metavar="NAME",
        help="compare on these alone, your own among them: at scale mini records tell their facts, "
        "at full one is given as package.module:NAME or path/to/file.py (default: the rules' own)",
    )
    rules.add_argument(
        "--relax_targets",
        type=float,
        default=0.0,
        metavar="PERCENT",
        help="make each validation target easier by so much of itself (default: 0)",
    )
    rules.add_argument(
        "--baseline",
        help="submission that speed-ups refer to (default: the one called baseline, if any)",
    )
    rules.add_argument(
        "--strict",
        action="store_true",
        help="fail on anything that would otherwise be skipped with a warning, and on fewer "
        "workloads, studies or trials than planned",
    )
    rules.add_argument(
        "--metadata",
        type=Path,
        metavar="FILE",
        action="append",
        default=[],
        help="JSON that says who the submissions are: name, organisations, authors, framework, "
        "prize_eligible, description; may be repeated (besides, a submission's folder of records "
        f"may hold a {FILE})",
    )


def _add_output(out: argparse._ArgumentGroup) -> None:
    out.add_argument(
        "--details",
        action="store_true",
        help="further tables on the terminal: how far each score can be trusted",
    )
    out.add_argument(
        "--pair",
        nargs=2,
        metavar=("A", "B"),
        help="compare two submissions on each workload: steps, seconds, final metric, with tests",
    )
    out.add_argument("--json", type=Path, metavar="FILE", help="all numbers")
    out.add_argument("--csv", type=Path, metavar="FILE", help="a row per submission and workload")
    out.add_argument("--markdown", type=Path, metavar="FILE", help="the tables for a README")
    out.add_argument(
        "--html", type=Path, metavar="DIR", help="the leaderboard as a page, index.html in DIR"
    )
    out.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help="the performance profile for a paper: .pdf, .png or .svg",
    )


def check(flags: argparse.Namespace) -> None:
    """Raises a `UserError` for flags that do not go together."""
    if not flags.paths and not flags.against:
        raise UserError("name at least one PATH: a folder of records or a tidy CSV file")
    if flags.studies is not None and flags.studies < 1:
        raise UserError(f"--studies: {flags.studies} given, at least 1 is needed")
    if flags.against and (flags.qualification or flags.scale == "mini"):
        raise UserError(
            "--against=published is the full set at scale full; leave out --qualification and "
            "--scale=mini"
        )
    if flags.figure:
        check_figure(flags.figure)


def choices_of(flags: argparse.Namespace) -> ScoringChoices:
    """What the flags say is scored, and how."""
    return ScoringChoices(
        paths=tuple(flags.paths),
        rules=flags.rules,
        tuning=flags.tuning,
        scale=flags.scale,
        time=flags.time,
        trial_choice=flags.trial_choice,
        missing_studies=flags.missing_studies and flags.missing_studies.replace("_", " "),
        studies=flags.studies,
        qualification=flags.qualification,
        base_only=flags.base_only,
        workloads=tuple(flags.workloads),
        relax_targets=flags.relax_targets,
        against_published=flags.against == "published",
        baseline=flags.baseline,
        strict=flags.strict,
    )
