"""Flights as lines of click logs: 13 counts, 26 categories, and whether they were late."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from workloads.criteo1tb.sample import NEVER_ARRIVED

_HOUR = ("month", "day", "hour")

COUNTS = (
    "minute",
    "distance",
    "from_airport",
    "from_city",
    "legs",
    "seats",
    "temp",
    "dewp",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
)
"""The 13 numbers of a line, in their order; those of the weather are blank where it is not known.

`minute` is that of the day at which the flight should leave; `from_airport` and `from_city` are
how many flights should leave within its hour; `legs` says which of the day's flights of the
aircraft it is."""

CATEGORIES = (
    ("month", "day", "hour", "origin"),
    ("hour", "dest"),
    ("hour", "carrier"),
    ("month", "day"),
    ("model",),
    ("origin",),
    ("carrier", "origin"),
    ("year",),
    ("hour",),
    ("month", "day", "dest"),
    ("carrier", "flight"),
    ("month", "day", "origin"),
    ("weekday",),
    ("dest",),
    ("origin", "dest"),
    ("wind_dir",),
    ("engines",),
    ("month", "weekday"),
    ("engine",),
    ("month", "day", "carrier"),
    ("month", "day", "hour"),
    ("tailnum",),
    ("carrier", "dest"),
    ("hour", "origin"),
    ("day",),
    ("carrier",),
)
"""What makes each of a line's 26 categories; blank where one of the parts is not known.

Those with many values have the columns that are hashed to many ids."""


def lines_of(columns: Mapping[str, np.ndarray]) -> list[str]:
    """Returns the lines of all flights that arrived, in the order of the table.

    Args:
      columns: see `read_columns`.
    """
    flights, weather, planes = (_table(columns, name) for name in ("flights", "weather", "planes"))
    flights = flights.with_columns(
        hour=pl.col("sched_dep_time") // 100,
        minute=pl.col("sched_dep_time") // 100 * 60 + pl.col("sched_dep_time") % 100,
        weekday=pl.date(2013, "month", "day").dt.weekday(),
    )
    # Cancelled flights should have left, too.
    flights = flights.with_columns(
        from_airport=pl.len().over(*_HOUR, "origin"),
        from_city=pl.len().over(*_HOUR),
        legs=pl.when(pl.col("tailnum").is_not_null()).then(
            pl.col("minute").rank("ordinal").over("month", "day", "tailnum")
        ),
    )
    weather = weather.unique(["origin", *_HOUR], keep="first", maintain_order=True)
    table = (
        flights.join(weather, on=["origin", *_HOUR], how="left", maintain_order="left")
        .join(planes, on="tailnum", how="left", maintain_order="left")
        .filter(pl.col("late") != NEVER_ARRIVED)
    )
    table = table.with_columns(
        precip=pl.col("precip") * 100,  # of an inch
        pressure=pl.col("pressure") - 950,  # of the millibars
        year=pl.col("year").cast(pl.Int32),
        wind_dir=pl.col("wind_dir").cast(pl.Int32),
    )
    counts = [pl.col(name).cast(pl.Float64).round().cast(pl.Int32) for name in COUNTS]
    fields = table.select("late", *counts).with_columns(
        _hashed(table.select(_joined(parts)).to_series()).alias(f"category {i}")
        for i, parts in enumerate(CATEGORIES)
    )
    text = fields.write_csv(separator="\t", include_header=False, null_value="")
    return text.splitlines(keepends=True)


def _table(columns: Mapping[str, np.ndarray], name: str) -> pl.DataFrame:
    found = {
        key.partition(".")[2]: array.astype(str) if array.dtype.kind == "S" else array
        for key, array in columns.items()
        if key.startswith(f"{name}.")
    }
    table = pl.DataFrame(found).with_columns(pl.selectors.float().fill_nan(None))
    return table.with_columns(pl.when(pl.selectors.string() != "").then(pl.selectors.string()))


def _joined(parts: tuple[str, ...]) -> pl.Expr:
    return pl.concat_str(*parts, separator=" ")


def _hashed(texts: pl.Series) -> pl.Series:
    from workloads.criteo1tb.sample import category

    known = texts.drop_nulls().unique().to_list()
    return texts.replace_strict({text: category(text) for text in known}, default=None)
