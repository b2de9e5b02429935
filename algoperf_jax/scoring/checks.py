"""Trials that cannot count, as pure functions on the table of trials.

The table has a row per trial: `run` (UInt32, its id), `submission`, `study`, `workload`,
`framework`, `trial`, `file` (where it comes from), `form` (`"folder"`, `"evaluations"`, `"runs"`).
Each function returns the trials that remain and warnings about the others, neither of which
depends on the order of rows.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from algoperf_jax.errors import UserError
from algoperf_jax.scoring.input_warnings import InputWarning
from algoperf_jax.scoring.protocol import ScoringProtocol
from algoperf_jax.scoring.times import MEETS_TARGET, target_table

TRIALS = {
    "run": pl.UInt32,
    "submission": pl.String,
    "study": pl.Int64,
    "workload": pl.String,
    "framework": pl.String,
    "trial": pl.Int64,
    "file": pl.String,
    "form": pl.String,
}
KEY = ["submission", "workload", "study", "trial"]

Checked = tuple[pl.DataFrame, list[InputWarning]]


def known_workloads(trials: pl.DataFrame, names: Mapping[str, object]) -> Checked:
    """Trials of workloads among the names."""
    known = pl.col("workload").is_in(list(names))
    groups = trials.filter(~known).group_by("submission", "workload")
    strangers = groups.agg(pl.col("file").min(), pl.len()).sort("submission", "workload")
    warnings = [
        InputWarning(
            "unknown workload",
            f"{file}: there is no workload {workload!r}; {count} trials of it skipped",
        )
        for _, workload, file, count in strangers.iter_rows()
    ]
    return trials.filter(known), warnings


def compiled_on_the_clock(trials: pl.DataFrame, caches: Mapping[str, str | None]) -> Checked:
    """Trials that compiled everything themselves, on the clock.

    Args:
      trials: the table.
      caches: by `file`, the compilation cache that a trial's record tells of.
    """
    used = {file: cache for file, cache in caches.items() if cache}
    warnings = [
        InputWarning(
            "compilation cache",
            f"{file} was run with the compilation cache {cache}, which takes compilation off the "
            "clock; skipped",
        )
        for file, cache in sorted(used.items())
    ]
    return trials.filter(~pl.col("file").is_in(list(used))), warnings


def in_protocol(trials: pl.DataFrame, protocol: ScoringProtocol) -> tuple[pl.DataFrame, list[str]]:
    """Trials of the protocol's workloads, and a note about the others."""
    on = pl.col("workload").is_in(list(protocol.workloads))
    off = trials.filter(~on)
    names = ", ".join(sorted(off["workload"].unique()))
    notes = [f"{off.height} trials of workloads outside the board ignored: {names}"]
    return trials.filter(on), notes if off.height else []


def one_framework(trials: pl.DataFrame) -> None:
    """Raises a `UserError` where a submission has a workload under two frameworks."""
    groups = trials.group_by("submission", "workload").agg(
        pl.col("framework").n_unique().alias("count"),
        pl.col("file").sort().first().alias("file"),
        pl.col("file").sort().last().alias("other"),
    )
    for submission, workload, _, file, other in (
        groups.filter(pl.col("count") > 1).sort("submission", "workload").iter_rows()
    ):
        raise UserError(
            f"{submission} has {workload} under two frameworks, in {file} and {other}; a "
            "submission has one, so take one away or rename a submission"
        )


def distinct(trials: pl.DataFrame) -> Checked:
    """Each trial once. Evaluations win over a summary of the same run, then the first file by name.

    Only two accounts of the same form give a warning.
    """
    detailed = (pl.col("form") != "runs").alias("detailed")
    ordered = trials.with_columns(detailed).sort(*KEY, "file")
    ordered = ordered.filter(pl.col("detailed") | ~pl.col("detailed").any().over(KEY))
    first = pl.col("file").first().over(KEY)
    ordered = ordered.with_columns(first.alias("kept"), pl.int_range(pl.len()).over(KEY).alias("n"))
    warnings = [
        InputWarning(
            "duplicate trial",
            f"{row['file']} holds study {row['study']}, trial {row['trial']} of "
            f"{row['submission']} on {row['workload']}, as {row['kept']} does; skipped",
        )
        for row in ordered.filter(pl.col("n") > 0).iter_rows(named=True)
    ]
    return ordered.filter(pl.col("n") == 0).select(*TRIALS), warnings


def planned(trials: pl.DataFrame, protocol: ScoringProtocol) -> Checked:
    """Trials within the planned numbers, with the column `slot`: the index of their study.

    That is the study's number where all of a submission's numbers are below the planned number
    of studies, else its rank among them. Studies and trials in excess are the highest numbers.
    """
    study, of_study = pl.col("study"), ["submission", "workload", "study"]
    rank = study.rank("dense").over("submission").cast(pl.Int64) - 1
    numbered = study.max().over("submission") < protocol.studies
    trials = trials.with_columns(
        pl.when(numbered).then(study).otherwise(rank).alias("slot"),
        pl.col("trial").rank("dense").over(of_study).cast(pl.Int64).alias("place"),
    )
    studies, count = pl.col("slot") < protocol.studies, pl.col("place") <= protocol.trials
    warnings = [
        InputWarning(
            "beyond the plan",
            f"{row['file']}: "
            + (
                f"trial {row['trial']} of a study, the rules have {protocol.trials}"
                if row["slot"] < protocol.studies
                else f"study {row['study']} of {row['submission']}, {protocol.studies} are planned"
            )
            + "; skipped",
        )
        for row in trials.filter(~(studies & count)).sort(*KEY).iter_rows(named=True)
    ]
    return trials.filter(studies & count).drop("place"), warnings


def incomplete(trials: pl.DataFrame, protocol: ScoringProtocol) -> list[InputWarning]:
    """A warning for each submission with fewer workloads, studies or trials than planned."""
    warnings = []
    for submission in sorted(trials["submission"].unique()):
        own = trials.filter(pl.col("submission") == submission)
        counts = own.group_by("workload").agg(pl.col("slot").n_unique(), pl.len())
        there = {workload: (studies, runs) for workload, studies, runs in counts.iter_rows()}
        absent = [name for name in protocol.workloads if name not in there]
        few = [
            f"{name} ({there[name][0]} of {protocol.studies} studies, {there[name][1]} of "
            f"{protocol.studies * protocol.trials} trials)"
            for name in protocol.workloads
            if name in there
            and there[name] != (protocol.studies, protocol.studies * protocol.trials)
        ]
        parts = [f"nothing on {', '.join(absent)}"] if absent else []
        parts += [f"fewer runs than planned on {', '.join(few)}"] if few else []
        if parts:
            text = f"{submission} ({own['file'].sort()[0]}, ...) has {'; '.join(parts)}"
            warnings.append(InputWarning("incomplete submission", text))
    return warnings


def one_run_each(
    trials: pl.DataFrame, evaluations: pl.DataFrame
) -> tuple[pl.DataFrame, list[InputWarning]]:
    """The evaluations of runs of tidy files that can be those of one run.

    In one run the number of steps grows from evaluation to evaluation, and the time with it; two
    runs that a file holds under one key do not have this in common. (A log tree has a folder for
    each run, and there an interruption may bring evaluations twice.)
    """
    told = trials.filter(pl.col("form") == "evaluations")
    rows = evaluations.join(told.select("run"), on="run", how="semi").sort("run", "step", "seconds")
    grows = (pl.col("step").diff() > 0) & (pl.col("seconds").diff() >= 0)
    joined = rows.filter(~grows.over("run").fill_null(True))["run"].unique()
    warnings = [
        InputWarning(
            "several runs in one",
            f"{row['file']}: {row['submission']}, {row['workload']}, study {row['study']}, trial "
            f"{row['trial']} has evaluations of more than one run: a number of steps is there "
            "twice, or time falls as steps grow; all of them left out",
        )
        for row in told.filter(pl.col("run").is_in(joined.to_list()))
        .sort(*KEY)
        .iter_rows(named=True)
    ]
    return evaluations.filter(~pl.col("run").is_in(joined.to_list())), warnings


def plausible(
    trials: pl.DataFrame, evaluations: pl.DataFrame, protocol: ScoringProtocol
) -> tuple[pl.DataFrame, list[InputWarning]]:
    """The evaluations that can have been, and a warning for each run with others.

    A value is finite and within the bounds of its metric, or NaN where it is missing; time is not
    negative, and above 0 where the target is met.
    """
    value, seconds = pl.col("value"), pl.col("seconds")
    no_value = value.is_not_nan() & (
        value.is_infinite() | (value < pl.col("least")) | (value > pl.col("largest"))
    )
    no_time = (seconds < 0) | ((seconds == 0) & MEETS_TARGET)
    rows = evaluations.with_row_index("row").join(
        trials.join(target_table(protocol), on="workload"),
        on="run",
        how="left",
        maintain_order="left",
    )
    bad = rows.filter(no_value | no_time)
    first = bad.group_by("run", maintain_order=True).agg(pl.all().first(), pl.len().alias("count"))
    warnings = [
        InputWarning(
            "implausible number",
            f"{row['file']}: {row['submission']}, {row['workload']}, study {row['study']}, trial "
            f"{row['trial']} has {protocol.facts[row['workload']].target.metric} "
            f"{row['value']:g} after {row['seconds']:g} s; evaluations left out: {row['count']}",
        )
        for row in first.sort(*KEY).iter_rows(named=True)
    ]
    return evaluations.filter(~pl.Series(np.isin(np.arange(len(rows)), bad["row"]))), warnings


def past_budget(
    trials: pl.DataFrame, evaluations: pl.DataFrame, protocol: ScoringProtocol
) -> list[InputWarning]:
    """A warning for each run with evaluations at or after its budget; they do not count."""
    runs = trials.join(target_table(protocol), on="workload")
    late = (
        evaluations.join(runs.select("run", "budget"), on="run")
        .filter(pl.col("seconds") >= pl.col("budget"))
        .group_by("run")
        .agg(pl.col("seconds").max(), pl.len().alias("count"))
        .join(runs, on="run")
        .sort(*KEY)
    )
    return [
        InputWarning(
            "run past its budget",
            f"{row['file']}: {row['submission']}, {row['workload']}, study {row['study']}, trial "
            f"{row['trial']} goes on to {row['seconds']:.1f} s, the budget is {row['budget']:g} s; "
            f"evaluations skipped: {row['count']}",
        )
        for row in late.iter_rows(named=True)
    ]
