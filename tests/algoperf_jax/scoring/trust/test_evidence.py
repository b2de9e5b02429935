"""Evidence behind times, against plain counting in Python over the table of runs."""

import csv
import gzip
import math
from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest

from algoperf_jax.scoring.reading import RecordedRuns
from algoperf_jax.scoring.results import ScoringResults
from algoperf_jax.scoring.trust.evidence import Cell, cells, counted

RUNS = Path(__file__).parent.parent / "v06_a100_self" / "runs.csv.gz"


def rows_by_cell() -> dict[tuple[str, str], list[dict[str, str]]]:
    """The rows of `runs.csv.gz`, which was made without this kit."""
    rows = defaultdict(list)
    with gzip.open(RUNS, "rt") as file:
        for row in csv.DictReader(file):
            rows[row["submission"], row["workload"]].append(row)
    return rows


def test_counts_and_best_values_are_those_of_the_table_of_runs(
    records: RecordedRuns, results: ScoringResults
) -> None:
    found = cells(results, records.runs, records.evaluations)
    table = rows_by_cell()
    for name in results.submissions:
        for workload, cell in zip(results.protocol.workloads, found[name], strict=True):
            runs = [row for row in table[name, workload] if int(row["num_evals"])]
            hits = [float(row["time_at_target"]) for row in runs if row["target_reached"] == "1"]
            assert (cell.studies, cell.hits) == (len(runs), len(hits)), (name, workload)
            if hits:
                assert (cell.fastest, cell.slowest) == (min(hits), max(hits))
                assert cell.short_percent == 0
            else:
                target = results.protocol.facts[workload].target
                best = max if target.direction == "max" else min
                value = best(float(row["best_validation_value"]) for row in runs)
                short = abs(value - target.validation) / target.validation * 100
                assert cell.best == pytest.approx(value, rel=1e-8)
                assert cell.short_percent == pytest.approx(short, rel=1e-5)


def test_mixed_cells_of_the_board_are_as_stated_with_it(
    records: RecordedRuns, results: ScoringResults
) -> None:
    found = cells(results, records.runs, records.evaluations)
    all_cells = [cell for row in found.values() for cell in row]
    assert (len(all_cells), sum(cell.mixed for cell in all_cells)) == (153, 18)


def test_a_value_after_the_budget_is_no_evidence(
    records: RecordedRuns, results: ScoringResults
) -> None:
    late = records.evaluations.with_columns(pl.lit(1e9).alias("seconds"))
    found = cells(results, records.runs, late)
    assert all(math.isnan(cell.best) for row in found.values() for cell in row)


def test_words_for_the_evidence() -> None:
    hit = Cell(3, 3, 1.0, 2.0, 0.5, 0.0)
    mixed = Cell(3, 1, 1.0, 1.0, 0.5, 0.0)
    miss = Cell(2, 0, math.nan, math.nan, 0.4, 0.9)
    assert counted([hit, miss]) == "3 of 5 hit"
    assert counted([hit, mixed, miss]) == "4 of 8 hit, 1 mixed"
    assert [cell.near_miss for cell in (hit, mixed, miss)] == [False, False, True]
    assert not miss._replace(short_percent=1.1).near_miss
    assert not miss._replace(short_percent=math.nan).near_miss
