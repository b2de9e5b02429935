"""The command line from paths to files."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import score

from algoperf_jax.errors import UserError

WriteTrial = Callable[..., Path]
METRICS = {"ogbg": "mean_average_precision", "wmt": "bleu"}


@pytest.fixture
def logs(tmp_path: Path, write_trial: WriteTrial) -> str:
    """One study of a submission on two workloads."""
    write_trial([(1, 2000.0, 0.3)], workload="ogbg", metric=METRICS["ogbg"], submission="mine")
    write_trial([(1, 9000.0, 31.0)], workload="wmt", metric=METRICS["wmt"], submission="mine")
    return str(tmp_path / "logs")


def test_scores_are_printed_and_written(
    logs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [f"--{kind}={tmp_path / kind}" for kind in ("json", "csv", "markdown")]
    assert score.main([logs, "--studies=1", "--base_only", *files]) == 0
    shown = capsys.readouterr()
    assert "scale full, time in seconds, trial choice min_time: 2 runs of 1" in shown.out
    data = json.loads((tmp_path / "json").read_text())
    # Alone in the field a submission is the fastest on both workloads it solves, of eight.
    assert data["score_exact"] == {"mine": 0.25}
    assert data["scale"] == "full"
    assert [warning["kind"] for warning in data["warnings"]] == ["incomplete submission"]
    assert len(list(csv.reader((tmp_path / "csv").open()))) == 1 + 8
    assert (tmp_path / "markdown").read_text().startswith("# Scores\n")


def test_skipped_input_is_warned_about_and_counted(
    logs: str, write_trial: WriteTrial, capsys: pytest.CaptureFixture[str]
) -> None:
    write_trial(workload="unheard_of", submission="mine")
    score.main([logs])
    warnings = capsys.readouterr().err.splitlines()
    assert all(line.startswith("warning: ") for line in warnings)
    assert any("there is no workload 'unheard_of'" in line for line in warnings)
    assert warnings[-1] == "warning: in all 1 x unknown workload, 1 x incomplete submission"


def test_strict_fails_on_what_would_be_skipped(logs: str) -> None:
    with pytest.raises(UserError, match="incomplete submission: mine"):
        score.main([logs, "--strict"])


def test_against_published_marks_the_rows_and_says_that_hardware_differs(
    logs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "board.json"
    score.main([logs, "--against=published", "--studies=1", "--base_only", f"--json={file}"])
    out = capsys.readouterr().out
    assert "rows marked published were timed on 8 x V100" in out
    data = json.loads(file.read_text())
    assert len(data["published"]) == 11 and "mine" not in data["published"]
    # Published medians: the fastest take 2191.665766 s on one and 16012.730189 s on the other.
    assert data["performance_ratio"]["mine"]["ogbg"] == 1.0
    assert data["performance_ratio"]["caspr_adaptive"]["ogbg"] == pytest.approx(2191.665766 / 2000)
    assert data["performance_ratio"]["schedule_free_adamw"]["wmt"] == pytest.approx(
        16012.730189 / 9000
    )


def test_published_scores_are_shown_without_any_path(capsys: pytest.CaptureFixture[str]) -> None:
    score.main(["--against=published", "--details"])
    out = capsys.readouterr().out
    table = out[out.index("How far scores depend on the field") :]
    rows = [line.split() for line in table.splitlines()]
    first = next(row for row in rows if row[:1] == ["1"])
    assert first[1:3] == ["shampoo_submission", "published"] and first[4] == "0.7784"
    # The trial of a study is chosen by time, and this number by the published procedure.
    lawa = next(row for row in rows if row[1:2] == ["lawa_ema"])
    assert lawa[4] == "0.3384"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "at least one PATH"),
        (["--rules=v0.7", "."], "unknown rules 'v0.7'"),
        (["--studies=0", "."], "--studies: 0 given"),
        (["--against=published", "--tuning=self"], "v0.5 with external tuning"),
        (["--against=published", "--scale=mini"], "leave out"),
        (["--against=published", "--json=/dev/null/no/such"], "--json: cannot write"),
        (["--against=published", "--baseline=nobody"], "no submission is called 'nobody'"),
    ],
)
def test_mistakes_in_the_command_are_answered_in_one_line(
    arguments: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        score.main(arguments)
    assert "\n" not in str(error.value)


def test_a_name_of_the_published_field_cannot_be_yours(write_trial: WriteTrial) -> None:
    folder = write_trial(workload="ogbg", metric=METRICS["ogbg"], submission="amos")
    with pytest.raises(UserError, match="'amos' is the name of a published submission"):
        score.main([str(folder.parents[3]), "--against=published"])


def test_a_page_and_a_figure_are_written(
    logs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("plotly")
    pytest.importorskip("matplotlib")
    about = tmp_path / "mine.json"
    about.write_text(json.dumps({"name": "My <b>optimizer</b>", "authors": ["Ann"]}))
    page, figure = tmp_path / "out" / "page", tmp_path / "profile.pdf"
    score.main([logs, "--studies=1", f"--metadata={about}", f"--html={page}", f"--figure={figure}"])
    assert f"page: {page / 'index.html'}" in capsys.readouterr().out
    assert "My &lt;b&gt;optimizer&lt;/b&gt;" in (page / "index.html").read_text()
    assert (page / "submissions" / "mine.html").exists()
    assert (page / "assets" / "plotly.min.js").stat().st_size > 1_000_000
    assert figure.read_bytes().startswith(b"%PDF")


def test_the_published_field_has_names_and_no_curves(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    score.main(["--against=published", f"--html={tmp_path}"])
    text = (tmp_path / "index.html").read_text()
    assert "Distributed Shampoo" in text and "Hao-Jun Shi" in text
    assert "they hold no curves" in text


@pytest.fixture
def both(
    tmp_path: Path, write_trial: WriteTrial, account: Callable[..., dict[str, object]]
) -> list[str]:
    """Records of both tuning rules in one folder."""
    for submission, tuning in {"tuned": "external", "tuner": "self"}.items():
        write_trial(
            [(1, 5.0, 0.35)],
            workload="ogbg",
            metric="accuracy",
            submission=submission,
            meta_data=account(tuning=tuning),
        )
    return [str(tmp_path / "logs"), "--tuning=both"]


def test_records_of_both_tuning_rules_are_scored_apart(
    both: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [f"--{kind}={tmp_path / kind}" for kind in ("json", "csv", "markdown")]
    score.main([*both, *files])
    shown = capsys.readouterr()
    assert "external tuning" in shown.out and "self tuning" in shown.out
    assert "mixed rules" not in shown.err
    data = json.loads((tmp_path / "json").read_text())
    assert list(data["external"]["score_exact"]) == ["tuned"]
    assert list(data["self"]["score_exact"]) == ["tuner"]
    rows = list(csv.DictReader((tmp_path / "csv").open()))
    assert {(row["tuning"], row["submission"]) for row in rows} == {
        ("external", "tuned"),
        ("self", "tuner"),
    }
    assert (tmp_path / "markdown").read_text().count("## Leaderboard") == 2


def test_one_tuning_rule_alone_is_a_single_board(
    logs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score.main([logs, "--tuning=both", "--studies=1", f"--json={tmp_path / 'json'}"])
    assert "external tuning" in capsys.readouterr().out
    assert json.loads((tmp_path / "json").read_text())["tuning"] == "external"


def test_with_nothing_to_score_both_tuning_rules_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to score"):
        score.main([str(tmp_path), "--tuning=both"])


def test_importing_scoring_imports_no_library_of_reports() -> None:
    code = (
        "import sys; import algoperf_jax.scoring.page.site, algoperf_jax.scoring.figure; "
        "assert not {'plotly', 'matplotlib'} & set(sys.modules)"
    )
    root = Path(score.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)
