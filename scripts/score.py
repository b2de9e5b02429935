"""Scores records of training runs: times to target, performance profiles, benchmark scores.

python scripts/score.py experiments --rules=v0.5 --tuning=external
python scripts/score.py my_records --against=published --markdown=scores.md --json=scores.json
python scripts/score.py experiments --tuning=both --html=page
"""

import argparse
import dataclasses
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from command_line import answer_for
from score_flags import check, choices_of, parser

import algoperf_jax
import workloads
from algoperf_jax.errors import UserError
from algoperf_jax.files import to_json, write_text
from algoperf_jax.rules import Facts
from algoperf_jax.scoring import formats, report
from algoperf_jax.scoring.field import ScoringChoices, leaderboard_of, read_field, tunings
from algoperf_jax.scoring.figure import profile_figure
from algoperf_jax.scoring.input_warnings import warning_lines
from algoperf_jax.scoring.leaderboard import Leaderboard
from algoperf_jax.scoring.page.site import plotly_script, site
from algoperf_jax.scoring.submission_info import SubmissionInfo, read_infos
from algoperf_jax.scoring.tables import reliability_table, tables
from algoperf_jax.scoring.text_table import TextTable
from algoperf_jax.scoring.trust.manifest import manifest
from algoperf_jax.scoring.trust.tables import pair_table, trust_tables
from workloads.facts import FACTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; errors its reader can mend are raised as `UserError`."""
    flags = parser().parse_args(arguments)
    check(flags)
    script = plotly_script() if flags.html else ""
    described = [info for path in flags.metadata for info in read_infos(path)]
    leaderboards = scored(flags, described)
    for one in leaderboards:
        print("\n".join([one.title, *one.notices, ""]))
        shown = map(formats.as_text, chosen_tables(one, flags))
        print("\n".join(shown), end="\n" if len(leaderboards) > 1 else "")
    made_from = None
    if flags.json or flags.html:  # it reads every file again for its checksum
        made_from = manifest(
            leaderboards, ["score.py", *(arguments or sys.argv[1:])], algoperf_jax.__version__
        )
    write_files(flags, leaderboards, made_from)
    if flags.html:
        write_page(flags.html, leaderboards, script, made_from)
    return 0


def chosen_tables(leaderboard: Leaderboard, flags: argparse.Namespace) -> list[TextTable]:
    """The tables for the terminal."""
    if flags.details:
        return [*tables(leaderboard), reliability_table(leaderboard), *trust_tables(leaderboard)]
    shown = tables(leaderboard)
    if flags.pair and leaderboard.trust is not None:
        shown.append(pair_table(leaderboard.trust))
    return shown


def with_own_workloads(choices: ScoringChoices) -> tuple[ScoringChoices, dict[str, Facts]]:
    """The choices with workloads by their names in records, and the facts of all workloads."""
    facts, names = dict(FACTS), []
    for word in choices.workloads:
        if word in facts or not (":" in word or word.endswith(".py")):
            names.append(word)
            continue
        workload = workloads.get(word, choices.scale or "full")
        names.append(workload.name)
        facts[workload.name] = Facts(workload.target, workload.limits)
    return dataclasses.replace(choices, workloads=tuple(names)), facts


def scored(flags: argparse.Namespace, described: Sequence[SubmissionInfo]) -> list[Leaderboard]:
    """A leaderboard per tuning rule; prints what was skipped in the records."""
    choices, facts = with_own_workloads(choices_of(flags))
    leaderboards = []
    for tuning in tunings(choices):
        field = read_field(choices, tuning, facts)
        if not field.published_alone:
            for line in warning_lines(field.records.warnings):
                print(f"warning: {line}", file=sys.stderr)
        leaderboards.append(
            leaderboard_of(
                field,
                choices,
                described,
                with_curves=bool(flags.html),
                with_trust=bool(flags.details or flags.json or flags.html or flags.markdown),
                paired=tuple(flags.pair) if flags.pair else None,
            )
        )
    return leaderboards


def write_files(
    flags: argparse.Namespace, leaderboards: Sequence[Leaderboard], made_from: Any
) -> None:
    """Writes the files that flags name, and beside the JSON what it was made from."""
    if flags.json:
        write("--json", flags.json, report.leaderboards_as_json(leaderboards))
        write("--json", flags.json.with_suffix(".manifest.json"), to_json(made_from) + "\n")
    if flags.csv:
        write("--csv", flags.csv, report.leaderboards_as_csv(leaderboards))
    if flags.markdown:
        write("--markdown", flags.markdown, report.leaderboards_as_markdown(leaderboards))
    if flags.figure:
        write("--figure", flags.figure, profile_figure(leaderboards, flags.figure.suffix))


def write_page(
    folder: Path, leaderboards: Sequence[Leaderboard], script: str, made_from: Any
) -> None:
    """Writes the page's files into a folder, made if need be, and what it was made from."""
    write("--html", folder / "manifest.json", to_json(made_from) + "\n", make_folder=True)
    today = datetime.date.today().isoformat()
    footer = f"algoperf_jax {algoperf_jax.__version__}, {today}. Plots: plotly.js (MIT licence)."
    for name, text in site(leaderboards, script, footer).items():
        write("--html", folder / name, text, make_folder=True)
    print(f"page: {folder / 'index.html'}")


def write(flag: str, path: Path, content: str | bytes, make_folder: bool = False) -> None:
    """Writes a file that a flag names."""
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            write_text(path, content)
    except OSError as error:
        raise UserError(f"{flag}: cannot write {path}: {error.strerror}") from None


if __name__ == "__main__":
    answer_for(main)
