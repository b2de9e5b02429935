"""CSV text to numbers, many files at once, naming each file that is not what it should be."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

NUMBERS = {"step": pl.Float64, "seconds": pl.Float64, "value": pl.Float64}
"""What an evaluation is: step, submission time in seconds, metric on the validation split."""


class Parsed(NamedTuple):
    """Rows of several files.

    Attributes:
      rows: `file` (UInt32, position in the sequence of texts) and the columns asked for.
      faults: position -> what is wrong with that file; it has no rows then.
    """

    rows: pl.DataFrame
    faults: dict[int, str]


def evaluations(texts: Sequence[bytes], metrics: Sequence[str]) -> Parsed:
    """Steps, times and metric values of many `eval_measurements.csv`.

    Files with the same header are parsed in one go. An empty file has no evaluations.

    Args:
      texts: the files' contents.
      metrics: for each the target metric, without the name of the split.

    Returns:
      Columns `file`, `step`, `seconds`, `value` (Float64; NaN where the value is missing).
    """
    groups = defaultdict(list)
    for position, (text, metric) in enumerate(zip(texts, metrics, strict=True)):
        header = text[: text.find(b"\n") + 1] or text
        if header.strip():
            groups[header, metric].append(position)
    parts = []
    for (header, metric), positions in groups.items():
        wanted = ["global_step", "score", f"validation/{metric}"]
        bodies = {position: texts[position][len(header) :] for position in positions}
        columns = dict.fromkeys(wanted, pl.Float64)
        part = _numbers(_strings(header, bodies, wanted), columns, required=wanted[:2])
        named = part.rows.rename(dict(zip(wanted, NUMBERS, strict=True)))
        parts.append(Parsed(named, part.faults))
    nothing = pl.DataFrame(schema={"file": pl.UInt32, **NUMBERS})
    rows = pl.concat([nothing, *(part.rows for part in parts)])
    return Parsed(rows, {k: v for part in parts for k, v in part.faults.items()})


def table(
    text: bytes, columns: Mapping[str, pl.DataType | type[pl.DataType]], optional: Sequence[str]
) -> Parsed:
    """One CSV file with the named columns and possibly others.

    Args:
      text: the file's content.
      columns: by name the type, String, Int64 or Float64.
      optional: those among them that may be empty in a row (null, or NaN for Float64).
    """
    header = text[: text.find(b"\n") + 1] or text
    part = _strings(header, {0: text[len(header) :]}, list(columns))
    required = [name for name in columns if name not in optional]
    return _numbers(part, columns, required)


def _strings(header: bytes, bodies: Mapping[int, bytes], wanted: Sequence[str]) -> Parsed:
    """The wanted columns of files with one header, as strings."""
    empty = pl.DataFrame(schema={"file": pl.UInt32, **dict.fromkeys(wanted, pl.String)})
    names = header.decode("utf-8", "replace").rstrip("\r\n").split(",")
    missing = [column for column in wanted if names.count(column) != 1]
    if not header.endswith(b"\n"):
        return Parsed(empty, dict.fromkeys(bodies, "it ends within its first line"))
    if missing:
        found = f"has no column {missing[0]!r}" if missing[0] not in names else "repeats a column"
        return Parsed(empty, dict.fromkeys(bodies, f"its first line {found}"))
    faults = {k: fault for k, body in bodies.items() if (fault := _fault(body, len(names)))}
    good = {k: body.rstrip(b"\r\n") + b"\n" for k, body in bodies.items() if body.strip()}
    good = {k: body for k, body in good.items() if k not in faults}
    if not good:
        return Parsed(empty, faults)
    positions = [names.index(column) for column in wanted]
    numbered = ",".join(map(str, range(len(names)))).encode() + b"\n"
    try:
        strings = pl.read_csv(
            numbered + b"".join(good.values()),
            columns=[str(position) for position in sorted(positions)],
            infer_schema=False,
        )
        lines = np.array([body.count(b"\n") for body in good.values()])
        if strings.height != lines.sum() and len(good) > 1:
            raise pl.exceptions.ComputeError("quoted line ends")
    except pl.exceptions.PolarsError as error:
        if len(good) == 1:
            ((position, body),) = good.items()
            fault = _ragged(body, len(names)) or str(error).splitlines()[0]
            return Parsed(empty, {**faults, position: fault})
        parts = [_strings(header, {k: body}, wanted) for k, body in good.items()]
        faults |= {k: v for part in parts for k, v in part.faults.items()}
        return Parsed(pl.concat([part.rows for part in parts]), faults)
    files = np.repeat(np.array(list(good), np.uint32), lines if len(good) > 1 else strings.height)
    columns = [pl.col(str(p)).alias(name) for name, p in zip(wanted, positions, strict=True)]
    return Parsed(strings.select(pl.Series("file", files), *columns), faults)


def _fault(body: bytes, width: int) -> str | None:
    """What is wrong with the lines of a file, judged by its bytes."""
    if not body.strip():
        return None
    if not body.endswith(b"\n"):
        return "its last line is cut off (no line end)"
    body = body.rstrip(b"\r\n")
    # Commas inside quotes separate nothing; such files are left to the parser.
    if b'"' not in body and body.count(b",") != (width - 1) * (body.count(b"\n") + 1):
        return _ragged(body, width)
    return None


def _ragged(body: bytes, width: int) -> str | None:
    """The first line with too few or too many values."""
    for number, line in enumerate(body.splitlines(), 2):
        if line.count(b",") != width - 1:
            return f"line {number} does not have {width} values"
    return None


def _numbers(
    part: Parsed, columns: Mapping[str, pl.DataType | type[pl.DataType]], required: Sequence[str]
) -> Parsed:
    """The strings as numbers; files with anything else become faults."""
    rows, faults = part
    for name, kind in columns.items():
        cell = pl.col(name).str.strip_chars()
        cell = pl.when(cell != "").then(cell)
        number = cell.cast(pl.Float64, strict=False) if kind != pl.String else cell
        bad = number.is_null() & cell.is_not_null()
        if name in required:
            bad = bad | number.is_null()
            if kind != pl.String:
                bad = bad | ~number.is_finite()
        if kind == pl.Int64:
            bad = bad | (number != number.round())
        wrong = rows.filter(bad).group_by("file", maintain_order=True).first()
        for file, text in wrong.select("file", name).iter_rows():
            shown = repr(text[:40]) if text else "nothing"
            faults = {**faults, file: f"{shown} stands where a number is due, under {name!r}"}
        if wrong.height:
            rows = rows.filter(~pl.col("file").is_in(wrong["file"].to_list()))
        if kind == pl.Int64:
            # An optional whole number may be written as nan; that is no number.
            rows = rows.with_columns(number.fill_nan(None).cast(pl.Int64))
        elif kind == pl.Float64:
            rows = rows.with_columns(number.fill_null(float("nan")))
        else:
            rows = rows.with_columns(cell)
    return Parsed(rows, faults)
