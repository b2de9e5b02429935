"""Paths of all kinds, and input that cannot count: one line each, naming the file."""

import gzip
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.rules import RULE_SETS, Facts
from algoperf_jax.scoring.reading import RecordedRuns, read
from algoperf_jax.scoring.results import results_of

WriteTrial = Callable[..., Path]
HEADER = b"global_step,score,validation/accuracy\n"
TIDY_HEADER = "submission,study,workload,framework,trial,global_step,score,validation_value\n"


@pytest.fixture
def records(tmp_path: Path, facts: dict[str, Facts]) -> Callable[..., RecordedRuns]:
    """Reads paths below `tmp_path`, under the small protocol."""

    def records(*paths: str, **options: Any) -> RecordedRuns:
        options = {"rules": RULE_SETS["v0.5"], "tuning": "external", **options}
        return read([tmp_path / path for path in paths or ("logs",)], facts, **options)

    return records


def warnings(records: RecordedRuns, *, of: str | None = None) -> list[str]:
    """Texts of the warnings of one kind; all but those on missing runs, if none is named."""
    kinds = [c for c in records.warnings if c.kind != "incomplete submission"]
    return [c.text for c in kinds if of in (None, c.kind)]


def times(records: RecordedRuns) -> dict[tuple[str, int, int], float]:
    columns = records.runs.select("workload", "study", "trial", "seconds").iter_rows()
    return {(workload, study, trial): seconds for workload, study, trial, seconds in columns}


@pytest.mark.parametrize("path", ["", "logs", "logs/fast", "logs/fast/study_0"])
def test_a_tree_is_found_from_any_level_above_its_studies(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, path: str
) -> None:
    write_trial()
    found = records(path)
    assert found.runs["submission"].to_list() == ["fast"]
    assert times(found) == {("alpha", 0, 1): 50.0}
    assert warnings(found) == []


def test_the_same_folder_counts_once(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    write_trial()
    assert records("logs", "logs/fast", "logs").runs.height == 1


def test_two_submissions_of_one_name_are_named(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, tmp_path: Path
) -> None:
    write_trial(root="lab_a", study=0)
    write_trial(root="lab_b", study=1)
    found = records("lab_a", "lab_b")
    assert warnings(found) == [
        f"{tmp_path}/lab_a/fast and {tmp_path}/lab_b/fast have one name and count as one "
        "submission, fast; where they are not, score them one at a time or run one under another "
        "name"
    ]
    assert warnings(records("lab_a")) == []


@pytest.mark.parametrize("rows", [None, b"", HEADER])
def test_a_trial_without_evaluations_exists(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, rows: bytes | None
) -> None:
    write_trial(rows)
    found = records()
    assert found.runs["num_evals"].to_list() == [0]
    assert warnings(found) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (HEADER[:-20], "ends within its first line"),
        (b"global_step,score,validation/loss\n1,5.0,0.7\n", "no column 'validation/accuracy'"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "no column 'global_step'"),
    ],
)
def test_a_bad_file_is_named_and_skipped_and_the_others_count(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, content: bytes, why: str
) -> None:
    folder = write_trial(HEADER + b"1,5.0,0.7\n", trial=1)
    write_trial(HEADER + b"1,6.0,0.7\n", trial=3)
    bad = write_trial(content, trial=2)
    found = records()
    (text,) = warnings(found, of="unreadable file")
    assert str(bad / "eval_measurements.csv") in text and str(folder) not in text
    assert why in text and "\n" not in text
    assert times(found) == {
        ("alpha", 0, 1): 5.0,
        ("alpha", 0, 2): float("inf"),
        ("alpha", 0, 3): 6.0,
    }


GOOD = HEADER + b"1,5.0,0.1\n2,8.0,0.7\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (GOOD + b"3,9.0", "line 4 does not have 3 values"),
        (GOOD + b"3,9\n", "line 4 does not have 3 values"),
        (
            HEADER + b"1,5.0,0.1,7\n2,9\n2,8.0,0.7\n",
            "line 2 does not have 3 values (and 1 more lines are left out)",
        ),
        (HEADER + b"1,5.0,0.1,7\n2,8.0,0.7\n2,9\n", "line 2 does not have 3 values (and 1 more"),
        (GOOD + HEADER + b"3,9.0,0.8\n", "line 4 repeats the first line"),
        (GOOD + b"3,9.0x,0.7\n", "'9.0x' stands where a number is due, under 'score'"),
        (GOOD + b"3,9.0,\x00\x01\n", "stands where a number is due"),
        (GOOD + b"3,,0.7\n", "nothing stands where a number is due, under 'score'"),
        (
            HEADER + b"1,nan,0.7\n2,8.0,0.7\nnan,nan,nan\n",
            "'nan' stands where a number is due, under 'global_step'",
        ),
        (
            GOOD + b"3,x,0.7\n4,y,0.8\n",
            "'x' stands where a number is due, under 'score' (and in 1 more lines",
        ),
        (HEADER + b'"1","5.0",0.1\n2,8.0,0.7\n3,"9', "line 4 does not have 3 values"),
        (HEADER + b'"1","5.0",0.1\n2,8.0,0.7\n3,9\n', "line 4 does not have 3 values"),
        (GOOD + b"3,\xff\xfe,0.8\n", "stands where a number is due, under 'score'"),
    ],
)
def test_a_bad_line_is_named_and_the_others_count(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, content: bytes, why: str
) -> None:
    write_trial(HEADER + b"1,6.0,0.7\n", trial=1)
    bad = write_trial(content, trial=2)
    found = records()
    (text,) = warnings(found)
    assert text.startswith(f"{bad / 'eval_measurements.csv'}: ")
    assert why in text and text.endswith("; left out, the other lines count")
    assert times(found) == {("alpha", 0, 1): 6.0, ("alpha", 0, 2): 8.0}
    assert [warning.kind for warning in found.warnings][0] == "bad line"


@pytest.mark.parametrize(
    "content",
    [
        GOOD[:-1],  # without its last line end
        GOOD.replace(b"\n", b"\r\n")[:-2],
        b"\xef\xbb\xbf" + GOOD,
        GOOD.decode().encode("utf-16"),
        b"\xfe\xff" + GOOD.decode().encode("utf-16-be"),
    ],
)
def test_other_encodings_and_ends_are_simply_read(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, content: bytes
) -> None:
    write_trial(content)
    found = records()
    assert times(found) == {("alpha", 0, 1): 8.0}
    assert warnings(found) == []


@pytest.mark.parametrize("value", ["", "nan", "NaN", '""'])
def test_a_missing_value_is_nan(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, value: str
) -> None:
    write_trial([(1, 5.0, value), (2, 9.0, 0.7)])
    assert times(records()) == {("alpha", 0, 1): 9.0}


def test_other_line_ends_and_columns_in_any_order_are_read(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    write_trial(b"validation/accuracy,x,score,global_step\r\n0.1,,5,1\r\n0.7,,9,2\r\n")
    assert times(records()) == {("alpha", 0, 1): 9.0}


def test_a_folder_without_a_framework_is_passed_over(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, tmp_path: Path
) -> None:
    write_trial()
    stray = tmp_path / "logs/fast/study_0/trial_1"
    stray.mkdir()
    found = records()
    assert warnings(found, of="stray folder") == [
        f"{stray} does not end in a framework (_jax or _pytorch); skipped"
    ]


def test_an_unknown_workload_is_skipped(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    write_trial()
    folder = write_trial(workload="gamma")
    found = records()
    assert warnings(found) == [f"{folder}: there is no workload 'gamma'; 1 trials of it skipped"]
    assert list(times(found)) == [("alpha", 0, 1)]


def test_a_variant_that_is_not_scored_is_ignored_with_a_note(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    write_trial()
    write_trial(workload="alpha_deep")
    found = records()
    assert warnings(found) == []
    assert found.notes == ("1 trials of workloads outside the board ignored: alpha_deep",)


def test_one_workload_under_two_frameworks_is_an_error(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    one, other = write_trial(), write_trial(framework="pytorch", study=1)
    with pytest.raises(UserError) as error:
        records()
    assert str(one) in str(error.value) and str(other) in str(error.value)


def test_workloads_of_a_submission_may_differ_in_framework(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    write_trial()
    write_trial(workload="beta", metric="loss", framework="pytorch")
    assert records().runs.height == 2


def test_of_duplicate_trials_the_first_file_by_name_counts(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    kept = write_trial([(1, 5.0, 0.7)], root="a")
    other = write_trial([(1, 4.0, 0.7)], root="b")
    for order in (("a", "b"), ("b", "a")):
        found = records(*order)
        (text,) = warnings(found, of="duplicate trial")
        assert text.startswith(str(other)) and str(kept) in text
        assert times(found) == {("alpha", 0, 1): 5.0}


def test_evaluations_past_the_budget_do_not_count(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    folder = write_trial([(1, 5.0, 0.1), (2, 100.0, 0.7), (3, 101.25, 0.8)])
    found = records()
    (text,) = warnings(found, of="run past its budget")
    assert text.startswith(str(folder)) and "101.2 s" in text and text.endswith("skipped: 2")
    assert times(found) == {("alpha", 0, 1): float("inf")}


def test_self_tuning_has_a_longer_budget(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    write_trial([(1, 299.0, 0.7)])
    assert times(records(tuning="self")) == {("alpha", 0, 1): 299.0}


def test_studies_and_trials_beyond_the_plan_are_skipped(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    for trial in (1, 2, 3, 5, 6, 7):
        write_trial(trial=trial)
    for study in (1, 2, 3, 4, 9):
        write_trial(study=study)
    found = records()
    assert len(warnings(found, of="beyond the plan")) == 2
    assert ("alpha", 0, 7) not in times(found) and ("alpha", 9, 1) not in times(found)
    assert sorted(found.runs["slot"].unique()) == [0, 1, 2, 3, 4]


def test_studies_with_other_numbers_than_planned_are_taken_by_rank(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    for study in (3, 7):
        write_trial(study=study)
    found = records(studies=2)
    assert warnings(found) == []
    assert dict(found.runs.select("study", "slot").iter_rows()) == {3: 0, 7: 1}


def test_a_submission_with_fewer_runs_than_planned_is_complained_about(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    folder = write_trial()
    (warning,) = records().warnings
    assert warning.text == (
        f"fast ({folder}, ...) has nothing on beta, alpha_wide; "
        "fewer runs than planned on alpha (1 of 5 studies, 1 of 25 trials)"
    )


def test_an_empty_folder_is_named(records: Callable[..., RecordedRuns], tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match=r"nothing to score .*nothing holds no study_K folder"):
        records("nothing")


def test_an_empty_folder_beside_others_is_a_complaint(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, tmp_path: Path
) -> None:
    write_trial()
    (tmp_path / "nothing").mkdir()
    (text,) = warnings(records("logs", "nothing"), of="empty folder")
    assert str(tmp_path / "nothing") in text


def test_a_path_that_does_not_exist_is_an_error(records: Callable[..., RecordedRuns]) -> None:
    with pytest.raises(UserError, match="does not exist"):
        records("nowhere")


def test_tidy_evaluations_are_read_gzipped_or_not(
    records: Callable[..., RecordedRuns], tmp_path: Path
) -> None:
    text = TIDY_HEADER + "fast,0,alpha,jax,1,1,5.0,0.1\nfast,0,alpha,jax,1,2,9.0,0.7\n"
    (tmp_path / "plain.csv").write_text(text)
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "some.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert times(records("plain.csv")) == times(records("packed")) == {("alpha", 0, 1): 9.0}


def test_a_tidy_table_of_runs_is_read(records: Callable[..., RecordedRuns], tmp_path: Path) -> None:
    header = "submission,study,workload,framework,trial,num_evals,eval_index_at_target,"
    rows = "fast,0,alpha,jax,1,9,3,40,30.5\nfast,0,alpha,jax,2,9,,,nan\nfast,1,alpha,jax,1,0,,,\n"
    rows += "fast,1,alpha,jax,2,9,8,90,100.0\n"  # at the budget, which is too late
    rows += "fast,2,alpha,jax,1,9,8,90,0\nfast,2,alpha,jax,2,9,8,90,-1\n"
    (tmp_path / "runs.csv").write_text(f"{header}step_at_target,time_at_target\n{rows}")
    found = records("runs.csv").runs
    assert found["seconds"].to_list() == [30.5, *[float("inf")] * 5]
    assert found["eval_index"].to_list() == [3, *[None] * 5]
    assert found["num_evals"].to_list() == [9, 9, 0, 9, 9, 9]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a,b\n1,2\n", "no column 'submission'"),
        # The time that a gzip header carries would give the test another name in each process.
        (gzip.compress(TIDY_HEADER.encode() * 9, mtime=0)[:-9], "cannot be read"),
    ],
)
def test_a_bad_tidy_file_is_named_and_skipped(
    records: Callable[..., RecordedRuns],
    write_trial: WriteTrial,
    tmp_path: Path,
    content: bytes,
    why: str,
) -> None:
    write_trial()
    (tmp_path / "bad.csv").write_bytes(content)
    (text,) = warnings(records("logs", "bad.csv"), of="unreadable file")
    assert str(tmp_path / "bad.csv") in text and why in text


@pytest.mark.parametrize(
    "second",
    [[(1, 6.0, 0.1), (10, 60.0, 0.7)], [(2, 1.0, 0.1), (11, 3.0, 0.7)]],
    ids=["the same steps", "time falls"],
)
def test_two_runs_under_one_key_are_not_taken_for_one(
    records: Callable[..., RecordedRuns],
    tmp_path: Path,
    second: list[tuple[int, float, float]],
) -> None:
    rows = [(1, 5.0, 0.1), (10, 50.0, 0.6)]
    lines = [f"fast,0,alpha,jax,1,{a},{b},{c}\n" for a, b, c in [*rows, *second]]
    lines += [f"fast,1,alpha,jax,1,{a},{b},{c}\n" for a, b, c in rows]
    header = "submission,study,workload,framework,trial,global_step,score,validation_value\n"
    (tmp_path / "runs.csv").write_text(header + "".join(lines))
    found = records(tmp_path / "runs.csv")
    assert times(found) == {("alpha", 0, 1): math.inf, ("alpha", 1, 1): 50.0}
    (told,) = warnings(found, of="several runs in one")
    assert "fast, alpha, study 0, trial 1 has evaluations of more than one run" in told


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("fast,0,alpha,jax,1,1,5.0", "line 3 does not have 8 values"),
        ("fast,0.5,alpha,jax,1,1,5.0,0.1\n", "'0.5' stands where a whole number from 0 on is due"),
        ("fast,-7,alpha,jax,1,1,5.0,0.1\n", "'-7' stands where a whole number from 0 on is due"),
        ("fast,1e30,alpha,jax,1,1,5.0,0.1\n", "'1e30' stands where a whole number from 0"),
        ("fast,inf,alpha,jax,1,1,5.0,0.1\n", "'inf' stands where a whole number from 0"),
        (",0,alpha,jax,1,1,5.0,0.1\n", "nothing stands where a name is due, under 'submission'"),
    ],
)
def test_a_bad_line_of_a_tidy_file_is_named_and_the_others_count(
    records: Callable[..., RecordedRuns], tmp_path: Path, line: str, why: str
) -> None:
    (tmp_path / "some.csv").write_text(f"{TIDY_HEADER}fast,0,alpha,jax,1,1,8.0,0.7\n{line}")
    found = records("some.csv")
    (text,) = warnings(found, of="bad line")
    assert text.startswith(f"{tmp_path / 'some.csv'}: ") and why in text
    assert times(found) == {("alpha", 0, 1): 8.0}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ((2, 6.0, "inf"), "accuracy inf after 6 s"),
        ((2, 6.0, "-inf"), "accuracy -inf after 6 s"),
        ((2, 6.0, 80), "accuracy 80 after 6 s"),
        ((2, 0, 0.7), "accuracy 0.7 after 0 s"),
        ((2, -6.0, 0.1), "accuracy 0.1 after -6 s"),
    ],
)
def test_numbers_that_cannot_be_do_not_count(
    records: Callable[..., RecordedRuns],
    write_trial: WriteTrial,
    row: tuple[float, float, float],
    told: str,
) -> None:
    folder = write_trial([(1, 5.0, 0.1), row, (3, 9.0, 0.6)])
    found = records()
    assert warnings(found) == [
        f"{folder}: fast, alpha, study 0, trial 1 has {told}; evaluations left out: 1"
    ]
    assert times(found) == {("alpha", 0, 1): 9.0}
    assert found.evaluations.height == 2


def test_losses_of_minus_infinity_do_not_count(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    write_trial([(1, 5.0, "-inf"), (2, 9.0, 0.6)], workload="beta", metric="loss")
    found = records()
    assert times(found) == {("beta", 0, 1): 9.0}
    assert "loss -inf after 5 s" in warnings(found, of="implausible number")[0]


def test_an_evaluation_at_time_0_that_misses_the_target_counts(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    write_trial([(0, 0, 0.1), (1, 5.0, 0.6)])
    found = records()
    assert warnings(found) == []
    assert found.evaluations.height == 2


def test_the_qualification_set_has_one_study_and_no_variants(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    write_trial()
    protocol = records(qualification=True).protocol
    assert (protocol.base, protocol.held_out, protocol.studies) == (("alpha",), (), 1)


def test_file_system_order_does_not_matter(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    for study in range(3):
        for trial in (1, 2):
            write_trial([(1, 5.0 + study, 0.7)], study=study, trial=trial)
    before = records().runs
    scandir = os.scandir

    class Backwards:
        def __init__(self, path: str):
            self._entries = sorted(scandir(path), key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> "Backwards":
            return self

        def __exit__(self, *error: object) -> None: ...

        def __iter__(self) -> Any:
            return iter(self._entries)

    monkeypatch.setattr(os, "scandir", Backwards)
    assert records().runs.sort("run").equals(before.sort("run"), null_equal=True)
    assert isinstance(before, pl.DataFrame)


@pytest.mark.parametrize("tuning, submission", [("external", "slow"), ("self", "fast")])
def test_folders_of_the_two_rulings_are_never_mixed(
    records: Callable[..., RecordedRuns],
    write_trial: WriteTrial,
    tuning: str,
    submission: str,
) -> None:
    write_trial(root="logs/self_tuning")
    for name in ("fast", "slow"):
        write_trial([(1, 7.0, 0.6)], submission=name, root="logs/external_tuning")
    found = records(tuning=tuning)
    assert set(found.runs["submission"]) == ({"fast", "slow"} if tuning == "external" else {"fast"})
    assert times(found) == {("alpha", 0, 1): 7.0 if tuning == "external" else 50.0}
    left = 1 if tuning == "external" else 2
    assert f"{left} trials in folders of the other tuning rule left aside" in found.notes
    assert warnings(found) == []


@pytest.mark.parametrize(
    "path, told",
    [
        (
            "logs/fast/study_0/alpha_jax",
            "a part of one submission, whose folder is {root}/logs/fast",
        ),
        ("logs/fast/study_0/alpha_jax/trial_1", "a part of one submission, whose folder is"),
        ("..", "submissions lie further below; name the folder that holds them, say {root}/logs"),
        ("empty", "holds no study_K folder with trials in it, and no CSV file; skipped"),
    ],
)
def test_a_folder_too_high_or_too_low_is_told_the_right_one(
    tmp_path: Path, facts: dict[str, Facts], write_trial: WriteTrial, path: str, told: str
) -> None:
    write_trial(root="a/b/c/d/e/logs" if path == ".." else "logs")
    (tmp_path / "empty").mkdir()
    root = tmp_path / "a/b/c/d/e" if path == ".." else tmp_path
    named = tmp_path if path == ".." else tmp_path / path
    with pytest.raises(UserError, match=re.escape(told.format(root=root))):
        read([named], facts, RULE_SETS["v0.5"], "external")


@pytest.mark.parametrize("name", ["eval_measurements.csv", "eval_measurements.csv.gz"])
def test_a_gzipped_log_is_read(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, name: str
) -> None:
    folder = write_trial(None)
    packed = gzip.compress(HEADER + b"1,5.0,0.1\n10,50.0,0.6\n")
    (folder / name).write_bytes(packed)
    assert times(records()) == {("alpha", 0, 1): 50.0}
    (folder / name).write_bytes(packed[:-9])
    found = records("logs")
    assert f"{folder}/eval_measurements.csv cannot be read" in warnings(found)[0]


def test_odd_names_links_and_files_of_others_do_no_harm(
    records: Callable[..., RecordedRuns], tmp_path: Path, write_trial: WriteTrial
) -> None:
    write_trial(submission="Löwe mit Leerzeichen")
    home = tmp_path / "logs" / "Löwe mit Leerzeichen"
    (home / "README.md").write_text("x")
    (home / "study_0" / "notes.txt").write_text("x")
    (tmp_path / "logs" / "link").symlink_to(home)
    found = records()
    assert set(found.runs["submission"]) == {"Löwe mit Leerzeichen", "link"}
    assert warnings(found) == []


def test_a_board_over_some_workloads_is_divided_by_their_number(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    write_trial()
    assert records().protocol.base == ("alpha", "beta")
    found = records(workloads=["alpha"])
    assert (found.protocol.base, found.protocol.held_out) == (("alpha",), ())
    assert results_of(found.runs, found.protocol, draws=2).exact_S[0] == 0.0  # 1 of 5 studies
    one = records(workloads=["alpha"], studies=1)
    assert results_of(one.runs, one.protocol, draws=2).exact_S[0] == 1.0
    both = records(studies=1, base_only=True)
    assert results_of(both.runs, both.protocol, draws=2).exact_S[0] == 0.5
    with pytest.raises(UserError, match="no facts of 'alpah'; did you mean alpha"):
        records(workloads=["alpah"])


def test_somebody_s_own_workload_at_mini_has_the_facts_of_its_records(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Callable[..., Any]
) -> None:
    own = account()
    own["configuration"]["workload"] = "mine"
    write_trial([(1, 5.0, 0.35)], workload="mine", meta_data=own)
    found = records(workloads=["mine"])
    assert found.protocol.base == ("mine",)
    assert times(found) == {("mine", 0, 1): 5.0}
    assert records().protocol.base == ("mine", "alpha", "beta")


def test_a_variant_may_be_compared_beside_its_base_and_the_rest_is_ignored(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial
) -> None:
    for workload, metric in (("alpha", "accuracy"), ("alpha_wide", "accuracy"), ("beta", "loss")):
        write_trial(workload=workload, metric=metric)
    found = records(workloads=["alpha", "alpha_wide"], studies=1)
    assert (found.protocol.base, found.protocol.held_out) == (("alpha", "alpha_wide"), ())
    assert results_of(found.runs, found.protocol, draws=2).exact_S[0] == 1.0
    assert warnings(found, of="unknown workload") == []
    assert "1 trials of workloads outside the board ignored: beta" in found.notes


def test_what_a_trial_says_of_itself_counts_more_than_a_folder_above(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Callable[..., Any]
) -> None:
    write_trial(root="logs/self_tuning", meta_data=account(tuning="external"))
    assert records(tuning="external").runs.height == 1
