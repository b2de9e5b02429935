"""Scores records of training runs: times to target, performance profiles, benchmark scores.

python scripts/score.py experiments --rules=v0.5 --tuning=external
python scripts/score.py my_records --against=published --markdown=board.md --json=board.json
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from command_line import answer_for

from algoperf_jax.errors import UserError
from algoperf_jax.records import write_text
from algoperf_jax.rules import rule_set
from algoperf_jax.scoring import published, report
from algoperf_jax.scoring.complaints import fail_if_any, warning_lines
from algoperf_jax.scoring.reading import Records, read
from algoperf_jax.scoring.standings import standings
from workloads.facts import FACTS

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
    rules = p.add_argument_group("what is scored")
    rules.add_argument(
        "--rules", default="v0.5", help="edition of the rules, v0.5 or v0.6 (default: v0.5)"
    )
    rules.add_argument("--tuning", choices=("external", "self"), default="external")
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
        help="score within the published field of v0.5, external tuning",
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
    out = p.add_argument_group("output, besides the tables on the terminal")
    out.add_argument("--json", type=Path, metavar="FILE", help="all numbers")
    out.add_argument("--csv", type=Path, metavar="FILE", help="a row per submission and workload")
    out.add_argument("--markdown", type=Path, metavar="FILE", help="the tables for a page")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; errors its reader can mend are raised as `UserError`."""
    flags = parser().parse_args(arguments)
    check(flags)
    rules = rule_set(flags.rules)
    field = None
    if flags.against:
        field = published.published_field(FACTS, rules, flags.tuning, flags.base_only)
    records = field
    if flags.paths:
        records = read(
            flags.paths,
            FACTS,
            rules,
            flags.tuning,
            scale=flags.scale or ("full" if field else None),
            studies=flags.studies,
            qualification=flags.qualification,
            base_only=flags.base_only,
        )
        if flags.strict:
            fail_if_any(records.complaints)
        for line in warning_lines(records.complaints):
            print(f"warning: {line}", file=sys.stderr)
    show(flags, records, field)
    return 0


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


def show(flags: argparse.Namespace, records: Records, field: Records | None) -> None:
    """Scores the records, within the published field if there is one, prints and writes."""
    runs, studies, names = records.runs, {}, []
    if field is not None:
        names = sorted(set(field.runs["submission"]))
    if field is not None and records is not field:
        runs, studies = published.within(records, field)
    result = standings(
        runs,
        records.board,
        time=flags.time,
        trial_choice=flags.trial_choice,
        baseline=flags.baseline,
        studies=studies,
    )
    notices = notices_on(flags, records, bool(names))
    title = (
        f"Rules {flags.rules}, {flags.tuning} tuning, scale {records.scale}, time in {flags.time}, "
        f"trial choice {flags.trial_choice}: {runs.height} runs of {len(result.submissions)} "
        "submissions"
    )
    tables = report.tables(result, names)
    print("\n".join([title, *notices, ""]))
    print("\n".join(report.as_text(table) for table in tables), end="")
    if flags.json:
        data = {
            **report.as_json(result, names),
            "scale": records.scale,
            "notices": notices,
            "warnings": [complaint._asdict() for complaint in records.complaints],
        }
        write("--json", flags.json, json.dumps(data, indent=1) + "\n")
    if flags.csv:
        write("--csv", flags.csv, report.as_csv(result, names))
    if flags.markdown:
        parts = [report.as_markdown(table, result.baseline) for table in tables]
        write("--markdown", flags.markdown, "\n\n".join(["# Scores", title, *notices, *parts]))


def notices_on(flags: argparse.Namespace, records: Records, against: bool) -> list[str]:
    """What a reader of the scores has to know."""
    notices = [MINI_NOTICE] if records.scale == "mini" else []
    notices += [STEPS_NOTICE] if flags.time == "steps" else []
    notices += [HARDWARE_NOTICE.format(hardware=published.HARDWARE)] if against else []
    return [*notices, *records.notes]


def write(flag: str, path: Path, text: str) -> None:
    """Writes a file that a flag names."""
    try:
        write_text(path, text)
    except OSError as error:
        raise UserError(f"{flag}: cannot write {path}: {error.strerror}") from None


if __name__ == "__main__":
    answer_for(main)
