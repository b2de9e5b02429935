"""Scores records of training runs: times to target, performance profiles, benchmark scores.

python scripts/score.py experiments --rules=v0.5 --tuning=external
python scripts/score.py my_records --against=published --markdown=leaderboard.md --json=scores.json
python scripts/score.py experiments --tuning=both --html=page
"""

import argparse
import datetime
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from command_line import answer_for
from score_flags import check, parser

import algoperf_jax
from algoperf_jax.errors import UserError
from algoperf_jax.files import write_text
from algoperf_jax.rules import Tuning, rule_set
from algoperf_jax.scoring import formats, published, report
from algoperf_jax.scoring.curves import curves
from algoperf_jax.scoring.figure import profile_figure
from algoperf_jax.scoring.input_warnings import fail_if_any, warning_lines
from algoperf_jax.scoring.leaderboard import Leaderboard, frameworks
from algoperf_jax.scoring.page.site import plotly_script, site
from algoperf_jax.scoring.reading import RecordedRuns, read, tunings_at
from algoperf_jax.scoring.results import results_of
from algoperf_jax.scoring.submission_info import SubmissionInfo, infos_beside, infos_for, read_infos
from algoperf_jax.scoring.tables import all_tables, tables
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; errors its reader can mend are raised as `UserError`."""
    flags = parser().parse_args(arguments)
    check(flags)
    script = plotly_script() if flags.html else ""
    described = [info for path in flags.metadata for info in read_infos(path)]
    leaderboards = [
        leaderboard_of(flags, tuning, paths, described) for tuning, paths in sources(flags).items()
    ]
    for leaderboard in leaderboards:
        shown = tables(leaderboard.results, leaderboard.published)
        print("\n".join([leaderboard.title, *leaderboard.notices, ""]))
        print("\n".join(map(formats.as_text, shown)), end="\n" if len(leaderboards) > 1 else "")
    write_files(flags, leaderboards)
    if flags.html:
        write_page(flags.html, leaderboards, script)
    return 0


def sources(flags: argparse.Namespace) -> dict[Tuning, list[Path]]:
    """The tuning rules to score under, each with the paths that hold records of it."""
    if flags.tuning != "both":
        return {flags.tuning: flags.paths}
    found = tunings_at(flags.paths)
    # The published field is of external tuning, and so is an empty folder, to complain about.
    alone = {} if found and not flags.against else {"external": []}
    return {**alone, **dict.fromkeys(found, flags.paths)}


def leaderboard_of(
    flags: argparse.Namespace,
    tuning: Tuning,
    paths: Sequence[Path],
    described: Iterable[SubmissionInfo],
) -> Leaderboard:
    """Reads and scores the records of one tuning rule, within the published field if asked for."""
    rules, shared = rule_set(flags.rules), flags.tuning == "both"
    field = None
    if flags.against and not (shared and tuning == "self"):
        field = published.published_field(FACTS, rules, tuning, flags.base_only)
    records = field
    if paths or records is None:
        records = read(
            paths or flags.paths,
            FACTS,
            rules,
            tuning,
            scale=flags.scale or ("full" if flags.against else None),
            studies=flags.studies,
            qualification=flags.qualification,
            base_only=flags.base_only,
            shared=shared,
        )
        if flags.strict:
            fail_if_any(records.warnings)
        for line in warning_lines(records.warnings):
            print(f"warning: {line}", file=sys.stderr)
    return scored(flags, records, field, described)


def scored(
    flags: argparse.Namespace,
    records: RecordedRuns,
    field: RecordedRuns | None,
    described: Iterable[SubmissionInfo],
) -> Leaderboard:
    """The leaderboard of records, within the published field if there is one."""
    runs, studies, names, known = records.runs, {}, frozenset[str](), list[SubmissionInfo]()
    if field is not None:
        names, known = frozenset(field.runs["submission"]), published.published_infos()
    if field is not None and records is not field:
        runs, studies = published.within(records, field)
    result = results_of(
        runs,
        records.protocol,
        time=flags.time,
        trial_choice=flags.trial_choice,
        baseline=flags.baseline,
        studies=studies,
    )
    title = (
        f"Rules {flags.rules}, {records.protocol.tuning} tuning, scale {records.scale}, "
        f"time in {flags.time}, trial choice {flags.trial_choice}: {runs.height} runs of "
        f"{len(result.submissions)} submissions"
    )
    known += [*infos_beside(records.runs), *described]
    return Leaderboard(
        results=result,
        scale=records.scale,
        title=title,
        notices=tuple(notices_on(flags, records, bool(names))),
        warnings=records.warnings,
        infos=infos_for(frameworks(runs), known, records.protocol.tuning),
        published=names,
        curves=tuple(curves(records.runs, records.evaluations, flags.time)) if flags.html else (),
    )


def notices_on(flags: argparse.Namespace, records: RecordedRuns, against: bool) -> list[str]:
    """What a reader of the scores has to know."""
    notices = [MINI_NOTICE] if records.scale == "mini" else []
    notices += [STEPS_NOTICE] if flags.time == "steps" else []
    notices += [HARDWARE_NOTICE.format(hardware=published.HARDWARE)] if against else []
    return [*notices, *records.notes]


def write_files(flags: argparse.Namespace, leaderboards: Sequence[Leaderboard]) -> None:
    """Writes the files that flags name; of several leaderboards the JSON has each."""
    if flags.json:
        data = {
            leaderboard.results.protocol.tuning: numbers(leaderboard)
            for leaderboard in leaderboards
        }
        one = data[leaderboards[0].results.protocol.tuning]
        text = json.dumps(one if len(leaderboards) == 1 else data, indent=1)
        write("--json", flags.json, text + "\n")
    if flags.csv:
        parts = [report.as_csv(b.results, b.infos, b.published) for b in leaderboards]
        bodies = [part.partition("\n")[2] for part in parts[1:]]
        write("--csv", flags.csv, "".join([parts[0], *bodies]))
    if flags.markdown:
        parts = ["# Scores"]
        for leaderboard in leaderboards:
            shown = all_tables(leaderboard.results, leaderboard.infos, leaderboard.published)
            parts += [leaderboard.title, *leaderboard.notices]
            parts += [formats.as_markdown(table, leaderboard.results.baseline) for table in shown]
        write("--markdown", flags.markdown, "\n\n".join(parts))
    if flags.figure:
        write("--figure", flags.figure, profile_figure(leaderboards, flags.figure.suffix))


def numbers(leaderboard: Leaderboard) -> dict[str, object]:
    """Everything about a leaderboard as JSON data."""
    return {
        **report.as_json(leaderboard.results, leaderboard.published),
        "scale": leaderboard.scale,
        "notices": leaderboard.notices,
        "warnings": [warning._asdict() for warning in leaderboard.warnings],
    }


def write_page(folder: Path, leaderboards: Sequence[Leaderboard], script: str) -> None:
    """Writes the page's files into a folder, made if need be."""
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
