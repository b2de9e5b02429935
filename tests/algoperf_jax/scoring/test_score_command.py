"""The command line from paths to files."""

import csv
import json
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
    # Alone on the board a submission is the fastest on both workloads it solves, of eight.
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
    score.main(["--against=published", "--trial_choice=first_eval"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    first = next(row for row in rows if row[:1] == ["1"])
    assert first[1:3] == ["shampoo_submission", "published"] and first[4] == "0.7784"


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
