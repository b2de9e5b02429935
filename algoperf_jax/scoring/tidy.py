"""Reads tidy CSV files: one row per evaluation, or one row per run."""

import gzip
import zlib
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from algoperf_jax.errors import UserError
from algoperf_jax.scoring import csv_numbers

KEYS = {
    "submission": pl.String,
    "study": pl.Int64,
    "workload": pl.String,
    "framework": pl.String,
    "trial": pl.Int64,
}
"""What identifies a run."""

EVALUATIONS = {
    **KEYS,
    "global_step": pl.Float64,
    "score": pl.Float64,
    "validation_value": pl.Float64,
}
RUNS = {
    **KEYS,
    "num_evals": pl.Int64,
    "eval_index_at_target": pl.Int64,
    "step_at_target": pl.Float64,
    "time_at_target": pl.Float64,
}
SUFFIXES = (".csv", ".csv.gz")


class TidyFile(NamedTuple):
    """The content of one file.

    Attributes:
      form: `"evaluations"` or `"runs"`.
      rows: `KEYS` and `step`, `seconds`, `value` (as `csv_numbers.evaluations`), or `KEYS` and
        `num_evals`, `eval_index` (Int64; from 0, null for a miss), `step` and `seconds` (Float64;
        at the target, infinity for a miss).
      left_out: which lines are not among the rows, and why; None: they all are.
    """

    form: Literal["evaluations", "runs"]
    rows: pl.DataFrame
    left_out: str | None


def read_tidy(path: Path) -> TidyFile:
    """A CSV file, gzipped or not, whose columns are `EVALUATIONS` or `RUNS`, and possibly others.

    Raises:
      UserError: it is cut off, garbled, or has other columns.
    """
    try:
        text = path.read_bytes()
        if text.startswith(b"\x1f\x8b"):
            text = gzip.decompress(text)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    text = csv_numbers.plain(text)
    names = text[: text.find(b"\n")].decode("utf-8", "replace").rstrip("\r").split(",")
    form: Literal["evaluations", "runs"] = "runs" if "num_evals" in names else "evaluations"
    optional = ("validation_value", *list(RUNS)[-3:])
    rows, faults, left_out = csv_numbers.table(
        text, RUNS if form == "runs" else EVALUATIONS, optional
    )
    if faults:
        raise UserError(f"{path} is not a tidy table: {faults[0]}")
    if form == "evaluations":
        renamed = {"global_step": "step", "score": "seconds", "validation_value": "value"}
        return TidyFile(form, rows.drop("file").rename(renamed), left_out.get(0))
    reached = pl.col("time_at_target").is_finite()
    return TidyFile(
        form,
        rows.select(
            *KEYS,
            "num_evals",
            pl.when(reached).then("eval_index_at_target").alias("eval_index"),
            pl.when(reached).then("step_at_target").otherwise(float("inf")).alias("step"),
            pl.when(reached).then("time_at_target").otherwise(float("inf")).alias("seconds"),
        ),
        left_out.get(0),
    )


def tidy_files(folder: Path) -> list[Path]:
    """The CSV files that lie directly in a folder, sorted."""
    return sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIXES))
