"""The v0.5 external field: `v05_external/expected.json`, `runs.csv.gz`, published scores."""

import gzip
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from log_trees import write_raw_tree

from algoperf_jax.rules import RULE_SETS
from algoperf_jax.scoring.published import FIELDS, published_field
from algoperf_jax.scoring.reading import RecordedRuns, read
from algoperf_jax.scoring.report import as_json
from algoperf_jax.scoring.results import ScoringResults, results_of
from workloads.facts import FACTS

RUNS = FIELDS["v0.5", "external"].runs
TIMES = ("time_to_target", "study_times", "fastest_time", "fastest_before_disqualification")
KEY = ["submission", "study", "workload", "trial"]


def scored(records: RecordedRuns, trial_choice: str) -> ScoringResults:
    return results_of(records.runs, records.protocol, trial_choice=trial_choice, draws=2)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The values in nested dicts and lists, with their paths."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


@pytest.mark.parametrize("trial_choice", ["min_time", "first_eval"])
def test_everything_expected_is_reproduced(
    published_records: RecordedRuns, expected: dict[str, Any], trial_choice: str
) -> None:
    ours = as_json(scored(published_records, trial_choice))
    for key, values in expected["rules"][trial_choice].items():
        found, wanted = dict(leaves(ours[key])), dict(leaves(values))
        assert found.keys() == wanted.keys(), key
        for path, value in wanted.items():
            if isinstance(value, float):
                tolerance = 1e-6 if key in TIMES else 1e-9
                assert abs(found[path] - value) <= tolerance, (key, path)
            else:
                assert found[path] == value, (key, path)


def test_published_scores_are_reproduced_to_four_digits(
    published_records: RecordedRuns, expected: dict[str, Any]
) -> None:
    ours = as_json(scored(published_records, "first_eval"))["score_trapezoid_100"]
    rounded = {name: f"{score:.4f}" for name, score in ours.items()}
    assert rounded == {name: f"{x:.4f}" for name, x in expected["published_scores"].items()}


def test_board_constants_are_those_of_the_benchmark(
    published_records: RecordedRuns, expected: dict[str, Any]
) -> None:
    protocol = published_records.protocol
    assert list(protocol.base) == expected["base_workloads"]
    assert sorted(protocol.held_out) == expected["held_out_workloads"]
    assert {name: protocol.budget(name) for name in protocol.workloads} == expected["budgets_sec"]
    assert (protocol.studies, protocol.trials) == (expected["num_studies"], expected["num_trials"])


def test_each_run_finds_its_target_where_the_table_of_runs_has_it(
    published_records: RecordedRuns,
) -> None:
    table = pl.read_csv(RUNS).rename({"time_at_target": "t", "num_evals": "n"})
    both = published_records.runs.join(table, on=KEY, how="inner")
    assert both.height == published_records.runs.height > 3600
    assert (both["num_evals"] == both["n"]).all()
    assert both["eval_index"].equals(both["eval_index_at_target"], null_equal=True)
    hits = both.filter(pl.col("target_reached") == 1)
    assert (hits["seconds"] == hits["t"]).all()
    assert both.filter(pl.col("target_reached") == 0)["seconds"].is_infinite().all()


def test_published_runs_that_ship_with_the_kit_give_the_same_board(
    expected: dict[str, Any],
) -> None:
    field = published_field(FACTS, RULE_SETS["v0.5"], "external")
    ours = as_json(scored(field, "min_time"))["score_exact"]
    assert ours == pytest.approx(expected["rules"]["min_time"]["score_exact"], abs=1e-9)


def test_evaluations_win_over_a_summary_of_the_same_runs(published_files: list[Path]) -> None:
    amos = next(file for file in published_files if file.name.startswith("amos"))
    both = read([amos, RUNS], FACTS, RULE_SETS["v0.5"], "external")
    own = both.runs.filter(pl.col("submission") == "amos")
    assert not [c for c in both.warnings if c.kind == "duplicate trial"]
    assert set(own.filter(pl.col("num_evals") > 0)["form"]) == {"evaluations"}


def test_scores_do_not_depend_on_the_order_of_rows(
    published_records: RecordedRuns, published_files: list[Path], tmp_path: Path
) -> None:
    shuffled = []
    for file in published_files:
        lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
        rows = pl.Series(lines[1:]).shuffle(seed=1).to_list()
        shuffled.append(tmp_path / file.name.removesuffix(".gz"))
        shuffled[-1].write_bytes(b"".join([lines[0], *rows]))
    again = read(reversed(shuffled), FACTS, RULE_SETS["v0.5"], "external")
    for choice in ("min_time", "first_eval"):
        assert as_json(scored(again, choice)) == as_json(scored(published_records, choice))


def test_raw_log_trees_give_the_same_runs_as_the_tidy_files(
    published_records: RecordedRuns, published_files: list[Path], tmp_path: Path
) -> None:
    names = ("caspr_adaptive", "lawa_ema")
    for file in published_files:
        if file.name.startswith(names):
            write_raw_tree(file, tmp_path)
    raw = read([tmp_path], FACTS, RULE_SETS["v0.5"], "external").runs
    tidy = published_records.runs.filter(pl.col("submission").is_in(names))
    columns = [*KEY, "framework", "num_evals", "eval_index", "step", "seconds"]
    assert raw.select(columns).sort(KEY).equals(tidy.select(columns).sort(KEY), null_equal=True)


def test_a_submission_that_never_hits_changes_nothing(published_records: RecordedRuns) -> None:
    runs = published_records.runs
    never = runs.filter(pl.col("submission") == "baseline").with_columns(
        pl.lit("never").alias("submission"),
        pl.lit(None, pl.Int64).alias("eval_index"),
        *(pl.lit(math.inf).alias(name) for name in ("step", "seconds")),
    )
    before = results_of(runs, published_records.protocol, draws=2)
    after = results_of(pl.concat([runs, never]), published_records.protocol, draws=2)
    scores = dict(zip(after.submissions, after.exact_S, strict=True))
    assert scores.pop("never") == 0.0
    assert scores == dict(zip(before.submissions, before.exact_S, strict=True))
