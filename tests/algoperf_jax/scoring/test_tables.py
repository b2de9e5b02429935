"""Tables for readers, as Markdown and CSV."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from algoperf_jax.rules import RULE_SETS, Facts
from algoperf_jax.scoring import formats, report, tables
from algoperf_jax.scoring.reading import read
from algoperf_jax.scoring.results import ScoringResults, results_of
from algoperf_jax.scoring.submission_info import SubmissionInfo, infos_for
from algoperf_jax.scoring.tables import TextTable

HOSTILE = "<script>alert(1)</script> | *x* [a](b) _c_ d_e"


@pytest.fixture
def field(
    tmp_path: Path, facts: dict[str, Facts], write_trial: Callable[..., Path]
) -> ScoringResults:
    """Two submissions of one study; baseline is twice as fast on the only workload solved."""
    for name, seconds in {"baseline": 10.0, "slow": 20.0}.items():
        write_trial([(1, seconds, 0.7)], submission=name)
    records = read(
        [tmp_path / "logs"], facts, RULE_SETS["v0.5"], "external", studies=1, base_only=True
    )
    return results_of(records.runs, records.protocol, draws=10)


def infos(*described: SubmissionInfo) -> dict[str, SubmissionInfo]:
    return infos_for({"baseline": "jax", "slow": "pytorch"}, described, "external")


def test_the_leaderboard_says_who_and_what_is_not_stated(field: ScoringResults) -> None:
    about = SubmissionInfo(
        "slow", "Slow One", ("Org", "Other"), ("Ann", "Ben"), prize_eligible=False
    )
    table = tables.leaderboard_table(field, infos(about))
    assert table.rows == [
        ["1", "baseline", "baseline", *["not stated"] * 2, "JAX", "not stated", "0.5000"],
        ["2", "slow", "Slow One", "Org, Other", "Ann, Ben", "PyTorch", "no", "0.3333"],
    ]


def test_the_profile_table_rises_at_the_ratios(field: ScoringResults) -> None:
    table = tables.profile_table(field)
    assert table.header[:7] == ["submission", "1", "1.05", "1.1", "1.25", "1.5", "2"]
    assert table.rows[1] == ["slow", *["0.0000"] * 5, *["0.5000"] * 5]


def test_markdown_shows_names_as_they_are() -> None:
    text = formats.as_markdown(TextTable("T", ["a"], [[HOSTILE]]), None)
    assert r"&lt;script&gt;alert(1)&lt;/script&gt; \| \*x\* \[a\](b) \_c\_ d_e" in text


def test_csv_keeps_cells_as_they_are() -> None:
    table = TextTable("T", ["a", "b"], [[HOSTILE, 'x, "y"']])
    assert list(csv.reader(io.StringIO(formats.as_csv(table)))) == [["a", "b"], *table.rows]


def test_the_tidy_file_holds_what_the_tables_show(field: ScoringResults) -> None:
    about = infos(SubmissionInfo("slow", "Slow One", ("Org",), ("Ann", "Ben"), prize_eligible=True))
    rows = list(csv.DictReader(io.StringIO(report.as_csv(field, about))))
    own = [row for row in rows if row["submission"] == "slow"]
    shown = {table.name: table.rows[1] for table in tables.all_tables(field, about)}
    first = own[0]
    assert shown["leaderboard"][:6] == [
        first[name]
        for name in ("rank", "submission", "name", "organisations", "authors", "framework")
    ]
    assert first["prize_eligible"] == "1" and rows[0]["prize_eligible"] == ""
    interval = "{:.4f}-{:.4f}".format(float(first["interval_low"]), float(first["interval_high"]))
    assert shown["scores"][4] == interval
    assert shown["speedups"][1].split()[0] == f"{float(first['geometric_mean_speedup']):.4f}"
    fractions = [f"{float(row['budget_fraction'] or 'nan'):.4f}" for row in own]
    assert shown["fractions"][1:] == [text.replace("nan", "*") for text in fractions]
