"""Tables for readers, as Markdown and CSV."""

import csv
import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from leaderboards import leaderboard_of

from algoperf_jax.rules import RULE_SETS, Facts
from algoperf_jax.scoring import formats, report, tables
from algoperf_jax.scoring.leaderboard import Leaderboard
from algoperf_jax.scoring.reading import read
from algoperf_jax.scoring.submission_info import SubmissionInfo, infos_for
from algoperf_jax.scoring.text_table import TextTable

HOSTILE = "<script>alert(1)</script> | *x* [a](b) _c_ d_e"


@pytest.fixture
def field(tmp_path: Path, facts: dict[str, Facts], write_trial: Callable[..., Path]) -> Leaderboard:
    """Two submissions of one study; baseline is twice as fast on the only workload solved."""
    for name, seconds in {"baseline": 10.0, "slow": 20.0}.items():
        write_trial([(1, seconds, 0.7)], submission=name)
    records = read(
        [tmp_path / "logs"], facts, RULE_SETS["v0.5"], "external", studies=1, base_only=True
    )
    return leaderboard_of(records)


def described(field: Leaderboard, *known: SubmissionInfo) -> Leaderboard:
    infos = infos_for({"baseline": "jax", "slow": "pytorch"}, known, "external")
    return dataclasses.replace(field, infos=infos)


def test_the_leaderboard_says_who_and_what_is_not_stated(field: Leaderboard) -> None:
    about = SubmissionInfo(
        "slow", "Slow One", ("Org", "Other"), ("Ann", "Ben"), prize_eligible=False
    )
    table = tables.leaderboard_table(described(field, about))
    found = [
        ["0.5000", "0.5000-0.5000", "1 of 1 hit"],
        ["0.3333", "0.3333-0.3333", "1 of 1 hit"],
    ]
    assert table.rows == [
        ["1", "baseline", *found[0], "baseline", *["not stated"] * 2, "JAX", "not stated"],
        ["2", "slow", *found[1], "Slow One", "Org, Other", "Ann, Ben", "PyTorch", "no"],
    ]


def test_columns_of_the_leaderboard_that_hold_nothing_are_left_out(field: Leaderboard) -> None:
    header = tables.leaderboard_table(described(field)).header
    assert header == [
        "rank",
        "submission",
        "score",
        "95 % interval",
        "evidence",
        "name",
        "framework",
    ]


def test_the_profile_table_rises_at_the_ratios(field: Leaderboard) -> None:
    table = tables.profile_table(field)
    assert table.header[:7] == ["submission", "1", "1.05", "1.1", "1.25", "1.5", "2"]
    assert table.rows[1] == ["slow", *["0.0000"] * 5, *["0.5000"] * 5]


def test_markdown_shows_names_as_they_are() -> None:
    text = formats.as_markdown(TextTable("T", ["a"], [[HOSTILE]]), None)
    assert r"&lt;script&gt;alert(1)&lt;/script&gt; \| \*x\* \[a\](b) \_c\_ d_e" in text


def test_csv_keeps_cells_as_they_are() -> None:
    table = TextTable("T", ["a", "b"], [[HOSTILE, 'x, "y"']])
    assert list(csv.reader(io.StringIO(formats.as_csv(table)))) == [["a", "b"], *table.rows]


def test_the_tidy_file_holds_what_the_tables_show(field: Leaderboard) -> None:
    about = SubmissionInfo("slow", "Slow One", ("Org",), ("Ann", "Ben"), prize_eligible=True)
    field = described(field, about)
    rows = list(csv.DictReader(io.StringIO(report.as_csv(field.results, field.infos))))
    own = [row for row in rows if row["submission"] == "slow"]
    shown = {table.name: table.rows[1] for table in tables.all_tables(field)}
    first = own[0]
    assert [*shown["leaderboard"][:2], *shown["leaderboard"][5:9]] == [
        first[name]
        for name in ("rank", "submission", "name", "organisations", "authors", "framework")
    ]
    assert first["prize_eligible"] == "1" and rows[0]["prize_eligible"] == ""
    interval = "{:.4f}-{:.4f}".format(float(first["interval_low"]), float(first["interval_high"]))
    assert tables.score_table(field).rows[1][3] == interval
    assert shown["speedups"][1].split()[0] == f"{float(first['geometric_mean_speedup']):.4f}"
    fractions = [f"{float(row['budget_fraction'] or 'nan'):.4f}" for row in own]
    assert shown["fractions"][1:] == [text.replace("nan", "*") for text in fractions]
