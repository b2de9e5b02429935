"""Reads paths of any kind into one set of records, with a warning for each part that is skipped."""

import dataclasses
import difflib
import gzip
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from algoperf_jax.errors import UserError
from algoperf_jax.rules import Facts, RuleSet, Tuning
from algoperf_jax.scoring import checks, csv_numbers, times
from algoperf_jax.scoring.accounts import odd_accounts
from algoperf_jax.scoring.contents import Logged, contents_of, tuning_of
from algoperf_jax.scoring.input_warnings import InputWarning
from algoperf_jax.scoring.meta_data import agreed_facts, contradiction, own_facts
from algoperf_jax.scoring.protocol import ScoringProtocol, protocol_of
from algoperf_jax.scoring.relaxed_targets import relaxed
from algoperf_jax.scoring.tidy import KEYS, TidyFile

EVALUATIONS = "eval_measurements.csv"
"""In a trial's folder, a row for each evaluation."""


@dataclasses.dataclass(frozen=True)
class RecordedRuns:
    """Runs that were read, with the protocol to score them under.

    Attributes:
      runs: one row per run, as `times.study_times` takes them.
      evaluations: `run`, `step`, `seconds`, `value`; of runs that are not mere summaries.
      protocol: at scale mini with the facts that the records bring along.
      scale: `"full"` or `"mini"`.
      warnings: about input that was skipped.
      notes: other things worth knowing, one line each.
    """

    runs: pl.DataFrame
    evaluations: pl.DataFrame
    protocol: ScoringProtocol
    scale: str
    warnings: tuple[InputWarning, ...]
    notes: tuple[str, ...]


def read(
    paths: Iterable[Path],
    facts: Mapping[str, Facts],
    rules: RuleSet,
    tuning: Tuning,
    *,
    scale: str | None = None,
    studies: int | None = None,
    qualification: bool = False,
    base_only: bool = False,
    relax_targets: float = 0.0,
    workloads: Sequence[str] = (),
    shared: bool = False,
) -> RecordedRuns:
    """Reads records, log trees and tidy files.

    At scale mini targets and budgets are those in the records, there are no held-out workloads,
    and, unless given, as many studies are planned as the submission with most of them has.

    Args:
      paths: folders of the kit's records, log trees, tidy CSV files or folders with such files.
      facts: of all workloads known, by name.
      rules, tuning: of the scoring; records that say they are of another kind are skipped.
      scale: `"full"` or `"mini"`; None for the one that the records have, full where both occur.
      studies, qualification, base_only: as `protocol.protocol_of` takes them.
      relax_targets: by how many percent of themselves validation targets are easier to meet.
      workloads: the workloads that are compared; empty for those of the rules.
      shared: the paths may hold records of both tuning rules: those of the other one are
        left out without a warning, and those that do not say are of external tuning.

    Raises:
      UserError: a path does not exist; a submission has a workload under two frameworks; records
        at scale mini disagree about a workload; or nothing is left to score.
    """
    paths = sorted({path.expanduser().resolve() for path in paths})
    folders, tidy, warnings = contents_of(paths)
    scale, chosen = _scale_of(folders, tidy, scale)
    folders, found, notes = _same_scale(folders, scale, chosen)
    warnings = [*warnings, *found]
    if scale == "mini":
        text = "{} does not tell its scale and is taken to be full; skipped"
        warnings += [InputWarning("mixed scales", text.format(file)) for file in tidy]
        tidy = {}
    folders, other = _same_tuning(folders, tuning)
    notes += other
    if shared:
        folders = [one for one in folders if tuning_of(one) == tuning]
        tidy = tidy if tuning == "external" else {}
    folders, found = _same_rules(folders, rules, tuning)
    warnings += found
    warnings += odd_accounts(folders, rules.conditions, scale)
    if running := sum(account is not None and not account.ended for _, account in folders):
        notes.append(f"{running} trials have not ended yet; they count with what they have so far")
    if scale == "mini":
        facts = {**own_facts(account for _, account in folders if account), **facts}
    trials, found = checks.known_workloads(_trials(folders, tidy), facts)
    warnings += found
    if workloads:
        facts = _chosen(facts, workloads)
    if scale == "mini":
        known = [(f.workload, f.folder, account) for f, account in folders if f.workload in facts]
        facts = agreed_facts(facts, [(w, path, own) for w, path, own in known if own])
        base_only = True
        studies = _most_studies(trials) if studies is None else studies
    else:
        trials, found = _true_to(facts, folders, trials)
        warnings += found
        caches = {one.folder: own.compilation_cache for one, own in folders if own}
        trials, found = checks.compiled_on_the_clock(trials, caches)
        warnings += found
    if relax_targets:
        if any(form == "runs" for form, _, _ in tidy.values()):
            raise UserError(
                "relaxed targets: a table with one row per run tells its time to the true target "
                "alone; name the files with its evaluations"
            )
        facts = relaxed(facts, relax_targets)
    protocol = protocol_of(
        facts, rules, tuning, studies=studies, qualification=qualification, base_only=base_only
    )
    trials, more_notes = checks.in_protocol(trials, protocol)
    checks.one_framework(trials)
    trials, duplicates = checks.distinct(trials)
    trials, excess = checks.planned(trials, protocol)
    runs, evaluations, unreadable = _runs(trials, tidy, protocol)
    warnings += [*duplicates, *excess, *unreadable, *checks.incomplete(trials, protocol)]
    if not runs.height:
        kind = f"rules {rules.name}, {tuning} tuning, scale {scale}"
        raise _nothing_to_score(paths, kind, warnings, [*notes, *more_notes])
    return RecordedRuns(runs, evaluations, protocol, scale, tuple(warnings), (*notes, *more_notes))


def _chosen(facts: Mapping[str, Facts], workloads: Sequence[str]) -> dict[str, Facts]:
    """The facts of some workloads; a variant that is among them is compared like a base one."""
    for name in workloads:
        if name not in facts:
            near = difflib.get_close_matches(name.lower(), facts, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UserError(f"workloads: there are no facts of {name!r}{hint}")
    return {
        name: dataclasses.replace(facts[name], base_name=None, held_out=False) for name in workloads
    }


def _nothing_to_score(
    paths: Sequence[Path], kind: str, warnings: Sequence[InputWarning], notes: Sequence[str]
) -> UserError:
    reasons = [*(f"{kind}: {text}" for kind, text in warnings), *notes]
    why = f"; {reasons[0]}" if reasons else ""
    return UserError(f"nothing to score in {', '.join(map(str, paths))} under {kind}{why}")


def _most_studies(trials: pl.DataFrame) -> int | None:
    """The number of studies of the submission that has most; None where there is no trial."""
    if not trials.height:
        return None
    numbers = trials.group_by("submission").agg(pl.col("study").n_unique())
    return int(numbers["study"].to_numpy().max())


def _scale_of(
    folders: Sequence[Logged],
    tidy: Mapping[str, TidyFile],
    scale: str | None,
) -> tuple[str, bool]:
    """The scale to score at, and whether it was asked for."""
    if scale:
        return scale, True
    scales = {account.scale if account else "full" for _, account in folders}
    mini = scales == {"mini"} and not tidy
    return "mini" if mini else "full", False


def _same_scale(
    folders: Sequence[Logged], scale: str, chosen: bool
) -> tuple[list[Logged], list[InputWarning], list[str]]:
    """Trials of one scale; others are worth a note where it was asked for, else a warning."""
    kept: list[Logged] = []
    others: list[Logged] = []
    for folder, account in folders:
        own = account.scale if account else "full"
        (kept if own == scale else others).append((folder, account))
    if chosen:
        note = f"{len(others)} trials of another scale than {scale} left aside"
        return kept, [], [note] if others else []
    text = "{} is at another scale than the rest, {}; skipped (--scale chooses)"
    warnings = [InputWarning("mixed scales", text.format(f.folder, scale)) for f, _ in others]
    return kept, warnings, []


def _same_tuning(folders: Sequence[Logged], tuning: Tuning) -> tuple[list[Logged], list[str]]:
    """Trials but those that a folder above says are of the other tuning rule, which gets a note.

    What a trial says of itself counts more.
    """
    kept = [one for one in folders if one[1] or one[0].tuning in (None, tuning)]
    left = len(folders) - len(kept)
    note = f"{left} trials in folders of the other tuning rule left aside"
    return kept, [note] if left else []


def _same_rules(
    folders: Sequence[Logged], rules: RuleSet, tuning: Tuning
) -> tuple[list[Logged], list[InputWarning]]:
    """Trials that do not say they were run under other rules."""
    kept, warnings = [], []
    for folder, account in folders:
        if account and (account.rules, account.tuning) != (rules.name, tuning):
            text = (
                f"{folder.folder} was run under {account.rules} {account.tuning}, scored is "
                f"{rules.name} {tuning}; skipped"
            )
            warnings.append(InputWarning("mixed rules", text))
        else:
            kept.append((folder, account))
    return kept, warnings


def _true_to(
    facts: Mapping[str, Facts],
    folders: Sequence[Logged],
    trials: pl.DataFrame,
) -> checks.Checked:
    """Trials whose own account does not contradict the benchmark's facts."""
    warnings, false = [], []
    for folder, account in folders:
        found = account and folder.workload in facts
        if account and found and (why := contradiction(facts[folder.workload], account)):
            warnings.append(InputWarning("other target", f"{folder.folder}: {why}; skipped"))
            false.append(folder.folder)
    return trials.filter(~pl.col("file").is_in(false)), warnings


def _trials(folders: Sequence[Logged], tidy: Mapping[str, TidyFile]) -> pl.DataFrame:
    """The table of all trials; `run` counts folders first, then the runs of each tidy file."""
    columns: dict[str, list[Any]] = {
        name: [getattr(folder, name) for folder, _ in folders] for name in KEYS
    }
    parts = [
        pl.DataFrame(
            {**columns, "file": [folder.folder for folder, _ in folders]},
            schema={**KEYS, "file": pl.String},
        ).with_columns(pl.lit("folder").alias("form"))
    ]
    for file, (form, rows, _) in tidy.items():
        own = rows.select(*KEYS)
        own = own.unique(maintain_order=True) if form == "evaluations" else own
        parts.append(own.with_columns(pl.lit(file).alias("file"), pl.lit(form).alias("form")))
    return pl.concat(parts).with_row_index("run").select(*checks.TRIALS)


def _runs(
    trials: pl.DataFrame, tidy: Mapping[str, TidyFile], protocol: ScoringProtocol
) -> tuple[pl.DataFrame, pl.DataFrame, list[InputWarning]]:
    """What each trial came to, from wherever it was recorded, and the evaluations."""
    logs = trials.filter(pl.col("form") == "folder")
    rows, warnings = _logged(logs, protocol)
    evaluations, summaries = [rows], list[pl.DataFrame]()
    for file, (form, content, _) in tidy.items():
        own = trials.filter((pl.col("file") == file) & (pl.col("form") == form))
        joined = content.join(own.select("run", *KEYS), on=list(KEYS)).drop(*KEYS)
        # A run that a summary lists twice has been complained about; either line will do.
        (evaluations if form == "evaluations" else summaries).append(
            joined if form == "evaluations" else joined.unique("run", keep="first")
        )
    order = ["run", *csv_numbers.NUMBERS]
    table = pl.concat([part.select(order) for part in evaluations])
    summarised = pl.col("form") == "runs"
    table, several = checks.one_run_each(trials, table)
    table, implausible = checks.plausible(trials, table, protocol)
    warnings += [*several, *implausible, *checks.past_budget(trials, table, protocol)]
    runs = times.runs_from_evaluations(trials.filter(~summarised), table, protocol)
    if summaries:
        told = times.runs_from_summaries(
            trials.filter(summarised), pl.concat(summaries), protocol
        ).select(runs.columns)
        runs = pl.concat([runs, told])
    return runs.sort("run"), table, warnings


def text_of_log(file: str) -> bytes:
    """A log's content, gzipped or not, also of one called `.gz`; empty where there is none.

    Raises:
      OSError, EOFError, zlib.error: it cannot be read.
    """
    name = next((name for name in (file, f"{file}.gz") if os.path.exists(name)), None)
    if name is None:
        return b""
    with open(name, "rb") as opened:
        text = opened.read()
    return gzip.decompress(text) if text.startswith(b"\x1f\x8b") else text


def _logged(logs: pl.DataFrame, protocol: ScoringProtocol) -> checks.Checked:
    """The evaluations in log trees; a trial without the file, or with an empty one, has none."""
    texts, warnings = [], []
    files = [f"{folder}/{EVALUATIONS}" for folder in logs["file"]]
    for file in files:
        try:
            texts.append(text_of_log(file))
        except (OSError, EOFError, zlib.error) as error:
            texts.append(b"")
            text = f"{file} cannot be read: {error}; skipped"
            warnings.append(InputWarning("unreadable file", text))
    metrics = [protocol.facts[workload].target.metric for workload in logs["workload"]]
    rows, faults, left_out = csv_numbers.evaluations(texts, metrics)
    warnings += [
        InputWarning("unreadable file", f"{files[position]}: {fault}; skipped")
        for position, fault in sorted(faults.items())
    ]
    warnings += [
        InputWarning("bad line", f"{files[position]}: {lines}; left out, the other lines count")
        for position, lines in sorted(left_out.items())
    ]
    runs = logs["run"].to_numpy()[rows["file"].to_numpy()]
    return rows.drop("file").with_columns(pl.Series("run", runs, pl.UInt32)), warnings
