"""CSV text to numbers, many files at once, naming each file and line that is not one."""

import codecs
import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

NUMBERS = {"step": pl.Float64, "seconds": pl.Float64, "value": pl.Float64}
"""What an evaluation is: step, submission time in seconds, metric on the validation split."""

LARGEST = 2**53
"""Above this, whole numbers are not told apart."""

_DUE: Mapping[Any, str] = {
    pl.Float64: "a number",
    pl.Int64: "a whole number from 0 on",
    pl.String: "a name",
}


class Parsed(NamedTuple):
    """Rows of several files.

    Attributes:
      rows: `file` (UInt32, position in the sequence of texts) and the columns asked for.
      faults: position -> what is wrong with that file; it has no rows then.
      left_out: position -> which of the file's lines are not among the rows, and why.
    """

    rows: pl.DataFrame
    faults: dict[int, str]
    left_out: dict[int, str]


def evaluations(texts: Sequence[bytes], metrics: Sequence[str]) -> Parsed:
    """Steps, times and metric values of many `eval_measurements.csv`.

    Files with the same header are parsed in one go. An empty file has no evaluations.

    Args:
      texts: the files' contents.
      metrics: for each the target metric, without the name of the split.

    Returns:
      Columns `file`, `step`, `seconds`, `value` (Float64; NaN where the value is missing).
    """
    texts = [plain(text) for text in texts]
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
        parts.append(part._replace(rows=named))
    nothing = pl.DataFrame(schema={"file": pl.UInt32, **NUMBERS})
    return _joined([Parsed(nothing, {}, {}), *parts])


def table(
    text: bytes, columns: Mapping[str, pl.DataType | type[pl.DataType]], optional: Sequence[str]
) -> Parsed:
    """One CSV file with the named columns and possibly others.

    Args:
      text: the file's content, as `plain` gives it.
      columns: by name the type, String, Int64 or Float64.
      optional: those among them that may be empty in a row (null, or NaN for Float64).
    """
    header = text[: text.find(b"\n") + 1] or text
    part = _strings(header, {0: text[len(header) :]}, list(columns))
    required = [name for name in columns if name not in optional]
    return _numbers(part, columns, required)


def plain(text: bytes) -> bytes:
    """The text as UTF-8 without a byte-order mark, whatever mark it has.

    What is no text in it becomes a sign that is no number.
    """
    if text.isascii():
        return text
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return text.decode("utf-16", "replace").encode()
    return text.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace").encode()


def _joined(parts: Sequence[Parsed]) -> Parsed:
    return Parsed(
        pl.concat([part.rows for part in parts]),
        {k: fault for part in parts for k, fault in part.faults.items()},
        {k: lines for part in parts for k, lines in part.left_out.items()},
    )


def _strings(header: bytes, bodies: Mapping[int, bytes], wanted: Sequence[str]) -> Parsed:
    """The wanted columns of files with one header, as strings."""
    empty = pl.DataFrame(schema={"file": pl.UInt32, **dict.fromkeys(wanted, pl.String)})
    names = header.decode("utf-8", "replace").rstrip("\r\n").split(",")
    missing = [column for column in wanted if names.count(column) != 1]
    if not header.endswith(b"\n"):
        return Parsed(empty, dict.fromkeys(bodies, "it ends within its first line"), {})
    if missing:
        found = f"has no column {missing[0]!r}" if missing[0] not in names else "repeats a column"
        return Parsed(empty, dict.fromkeys(bodies, f"its first line {found}"), {})
    left_out: dict[int, str] = {}
    good = {}
    for position, body in bodies.items():
        # Line ends inside quotes separate nothing; such files are left to the parser.
        if all(line.count(b'"') % 2 == 0 for line in body.split(b"\n")):
            body, dropped = _whole_lines(body, header)
            left_out |= {position: dropped} if dropped else {}
        if body.strip():
            good[position] = body.rstrip(b"\r\n") + b"\n"
    if not good:
        return Parsed(empty, {}, left_out)
    positions = [names.index(column) for column in wanted]
    numbered = ",".join(map(str, range(len(names)))).encode() + b"\n"
    try:
        strings = pl.read_csv(
            numbered + b"".join(good.values()),
            columns=[str(position) for position in sorted(positions)],
            infer_schema=False,
        )
        counts = np.array([body.count(b"\n") for body in good.values()])
        if strings.height != counts.sum() and len(good) > 1:
            raise pl.exceptions.ComputeError("quoted line ends")
    except pl.exceptions.PolarsError as error:
        if len(good) > 1:
            parts = [_strings(header, {k: body}, wanted) for k, body in good.items()]
            return _joined([Parsed(empty, {}, left_out), *parts])
        ((position, body),) = good.items()
        whole, dropped = _whole_lines(body, header)
        if not dropped:
            return Parsed(empty, {position: str(error).splitlines()[0]}, left_out)
        part = _strings(header, {position: whole}, wanted)
        return part._replace(left_out={position: dropped, **part.left_out})
    files = np.repeat(np.array(list(good), np.uint32), counts if len(good) > 1 else strings.height)
    columns = [pl.col(str(p)).alias(name) for name, p in zip(wanted, positions, strict=True)]
    return Parsed(strings.select(pl.Series("file", files), *columns), {}, left_out)


def _whole_lines(body: bytes, header: bytes) -> tuple[bytes, str | None]:
    """The lines with as many values as the header has, and which others there are, if any.

    A header that is repeated is none of them. The last line needs no line end.
    """
    commas = header.count(b",")
    head, body = header.strip(), body.rstrip(b"\r\n")
    if not body:
        return body, None
    lines = body.split(b"\n")
    plain_lines = b'"' not in body and head not in body
    if plain_lines and all(line.count(b",") == commas for line in lines):
        return body, None
    kept, dropped = [], []
    for number, line in enumerate(lines, 2):
        if line.strip() == head:
            dropped.append(f"line {number} repeats the first line")
        elif _values(line) != commas + 1:
            dropped.append(f"line {number} does not have {commas + 1} values")
        else:
            kept.append(line)
    if not dropped:
        return body, None
    more = f" (and {len(dropped) - 1} more lines are left out)" if len(dropped) > 1 else ""
    return b"\n".join(kept), dropped[0] + more


def _values(line: bytes) -> int:
    """How many values a line has."""
    if b'"' not in line:
        return line.count(b",") + 1
    return len(next(csv.reader([line.decode("utf-8", "replace")]), []))


def _numbers(
    part: Parsed, columns: Mapping[str, pl.DataType | type[pl.DataType]], required: Sequence[str]
) -> Parsed:
    """The strings as numbers; rows with anything else are left out."""
    rows, faults, left_out = part
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
            whole = (number == number.round()) & (number >= 0) & (number < LARGEST)
            bad = bad | (number.is_not_nan() & ~whole)
        bad = bad.fill_null(False)
        wrong = rows.filter(bad).group_by("file", maintain_order=True)
        for file, text, count in wrong.agg(pl.col(name).first(), pl.len()).iter_rows():
            shown = repr(text[:40]) if text else "nothing"
            more = f" (and in {count - 1} more lines, which are left out)" if count > 1 else ""
            found = f"{shown} stands where {_DUE[kind]} is due, under {name!r}{more}"
            left_out = {file: found, **left_out}
        rows = rows.filter(~bad)
        if kind == pl.Int64:
            # An optional whole number may be written as nan; that is no number.
            rows = rows.with_columns(number.fill_nan(None).cast(pl.Int64))
        elif kind == pl.Float64:
            rows = rows.with_columns(number.fill_null(float("nan")))
        else:
            rows = rows.with_columns(cell)
    return Parsed(rows, faults, left_out)
