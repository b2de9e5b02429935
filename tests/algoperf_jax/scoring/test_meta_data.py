"""The kit's own records: scale, rules and facts come with them."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.rules import RULE_SETS, Facts
from algoperf_jax.scoring.reading import RecordedRuns, read

WriteTrial = Callable[..., Path]
Account = Callable[..., dict[str, Any]]
FULL = {
    "workload.validation_target_value": 0.5,
    "workload.test_target_value": 0.4,
    "workload.max_allowed_runtime_sec": 100.0,
    "budget_sec": 100.0,
}


@pytest.fixture
def records(tmp_path: Path, facts: dict[str, Facts]) -> Callable[..., RecordedRuns]:
    """Reads the logs below `tmp_path`, under the small protocol."""

    def records(tuning: str = "external", **options: Any) -> RecordedRuns:
        return read([tmp_path / "logs"], facts, RULE_SETS["v0.5"], tuning, **options)

    return records


def kinds(records: RecordedRuns) -> list[str]:
    return [c.kind for c in records.warnings if c.kind != "incomplete submission"]


def test_mini_records_bring_their_own_target_and_budget(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    write_trial([(1, 5.0, 0.3)], meta_data=account())
    write_trial([(1, 20.0, 0.3)], meta_data=account(), trial=2)
    found = records()
    assert found.scale == "mini"
    assert found.runs.sort("trial")["seconds"].to_list() == [5.0, math.inf]
    assert found.protocol.budget("alpha") == 20.0
    assert found.protocol.budget("alpha", "steps") == 50.0


def test_mini_has_no_held_out_workloads_and_as_many_studies_as_there_are(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    for study in (0, 1):
        write_trial(study=study, meta_data=account())
    protocol = records().protocol
    assert (protocol.held_out, protocol.studies) == ((), 2)
    assert records(studies=5).protocol.studies == 5


def test_self_tuning_multiplies_the_runtime(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    write_trial([(1, 59.0, 0.3)], meta_data=account(tuning="self", budget_sec=60.0))
    assert records("self").runs["seconds"].to_list() == [59.0]


def test_trials_that_disagree_about_their_workload_are_an_error_naming_both_files(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    one = write_trial(meta_data=account())
    other = write_trial(meta_data=account(**{"workload.validation_target_value": 0.31}), trial=2)
    with pytest.raises(UserError, match=r"accuracy >= 0\.31 .* accuracy >= 0\.3 ") as error:
        records()
    assert str(one / "meta_data.json") in str(error.value)
    assert str(other / "meta_data.json") in str(error.value)


def test_mixed_scales_are_complained_about_and_the_full_one_counts(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    write_trial([(1, 5.0, 0.3)], meta_data=account())
    write_trial([(1, 6.0, 0.7)], trial=2)
    found = records()
    assert found.scale == "full"
    assert kinds(found) == ["mixed scales"]
    assert found.runs["seconds"].to_list() == [6.0]


def test_a_scale_that_is_asked_for_leaves_the_other_aside(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    write_trial([(1, 5.0, 0.3)], meta_data=account())
    write_trial([(1, 6.0, 0.7)], trial=2)
    found = records(scale="mini")
    assert kinds(found) == []
    assert found.runs["seconds"].to_list() == [5.0]
    assert found.notes[0] == "1 trials of another scale than mini left aside"


@pytest.mark.parametrize("other", [{"rules": "v0.6"}, {"tuning": "self"}])
def test_records_under_other_rules_are_skipped(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account, other: Any
) -> None:
    write_trial([(1, 5.0, 0.3)], meta_data=account())
    folder = write_trial([(1, 4.0, 0.3)], meta_data=account(**other), trial=2)
    found = records()
    (warning,) = [c for c in found.warnings if c.kind == "mixed rules"]
    assert warning.text.startswith(f"{folder} was run under ")
    assert found.runs["seconds"].to_list() == [5.0]


def test_full_records_that_agree_with_the_benchmark_count(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    write_trial([(1, 5.0, 0.5)], meta_data=account("full", **FULL))
    found = records()
    assert (found.scale, kinds(found)) == ("full", [])
    assert found.runs["seconds"].to_list() == [5.0]


def test_full_records_towards_another_target_are_skipped(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    write_trial(meta_data=account("full", **FULL))
    easier = {**FULL, "workload.validation_target_value": 0.4}
    write_trial(meta_data=account("full", **easier), trial=2)
    found = records()
    (warning,) = [c for c in found.warnings if c.kind == "other target"]
    assert "its validation target is 0.4, under rules v0.5 it is 0.5" in warning.text
    assert found.runs["trial"].to_list() == [1]


def test_full_records_of_runs_with_a_compilation_cache_are_skipped(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    write_trial(meta_data=account("full", **FULL, compilation_cache=None))
    cached = {**FULL, "compilation_cache": "/tmp/cache"}
    folder = write_trial(meta_data=account("full", **cached), trial=2)
    found = records()
    (warning,) = [c for c in found.warnings if c.kind == "compilation cache"]
    assert warning.text.startswith(f"{folder} was run with the compilation cache /tmp/cache, ")
    assert found.runs["trial"].to_list() == [1]


def test_mini_records_of_runs_with_a_compilation_cache_count(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    write_trial([(1, 5.0, 0.3)], meta_data=account(compilation_cache="/tmp/cache"))
    assert records().runs["seconds"].to_list() == [5.0]


def test_trials_without_an_outcome_are_noted(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    ended = write_trial(meta_data=account())
    (ended / "outcome.json").write_text("{}")
    write_trial(meta_data=account(), trial=2)
    assert records().notes == (
        "1 trials have not ended yet; they count with what they have so far",
    )


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"configuration": {"scale": "mini"}}'])
def test_a_garbled_account_is_named_and_its_trial_skipped(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account, content: str
) -> None:
    write_trial(meta_data=account())
    bad = write_trial(trial=2) / "meta_data.json"
    bad.write_text(content)
    found = records()
    (warning,) = [c for c in found.warnings if c.kind == "unreadable file"]
    assert str(bad) in warning.text
    assert found.runs["trial"].to_list() == [1]


def configured(account, scale="full", **configuration):
    """An account whose configuration has more to say."""
    content = account(scale, **(FULL if scale == "full" else {}))
    content["configuration"] |= configuration
    return content


@pytest.mark.parametrize(
    ("configuration", "told"),
    [
        ({"eval_every_steps": 50}, "it was evaluated every 50 steps, not by time"),
        ({"max_steps": 100}, "it was to end after 100 steps"),
        ({"replicas": 1}, "it has 1 replicas, the rules have 8"),
        ({"submission": "slow"}, "its account is of submission 'slow'"),
        ({"workload": "beta"}, "its account is of workload 'beta'"),
        ({"study": 3, "trial": 2}, "its account is of study 3; its account is of trial 2"),
    ],
)
def test_what_does_not_fit_rules_or_folder_is_told(
    records: Callable[..., RecordedRuns],
    write_trial: WriteTrial,
    account: Account,
    configuration: dict[str, Any],
    told: str,
) -> None:
    folder = write_trial(meta_data=configured(account, **configuration))
    found = records()
    (warning,) = [w for w in found.warnings if w.kind == "odd account"]
    assert warning.text == f"{folder}: {told}"
    assert found.runs.height == 1  # it counts all the same


def test_at_mini_replicas_and_steps_are_free(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    loose = {"replicas": 1, "eval_every_steps": 5, "max_steps": 9, "trial": 1, "study": 0}
    write_trial([(1, 5.0, 0.3)], meta_data=configured(account, "mini", **loose))
    assert kinds(records()) == []


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ({"batch_size": 32}, {"batch_size": 64}, "fast on alpha has several batch sizes: 32 in"),
        ({"batch_size": [1]}, {"batch_size": 64}, "fast on alpha has several batch sizes: [1] in"),
        (
            {"submission_source": "aa"},
            {"submission_source": "bb"},
            "fast has several versions of the submission's files: aa in",
        ),
    ],
)
def test_trials_that_do_not_fit_each_other_are_told(
    records: Callable[..., RecordedRuns],
    write_trial: WriteTrial,
    account: Account,
    first: dict[str, Any],
    second: dict[str, Any],
    told: str,
) -> None:
    write_trial(meta_data=configured(account, **first))
    folder = write_trial(meta_data=configured(account, **second), trial=2)
    write_trial(meta_data=configured(account, **first), trial=3)
    (warning,) = [w for w in records().warnings if w.kind == "mixed accounts"]
    assert warning.text.startswith(told) and warning.text.endswith(f" in {folder}")


def test_devices_of_several_starts_of_one_trial_are_told(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    starts = [{"step": 0, "device_kind": "V100", "device_count": n} for n in (8, 1)]
    write_trial(meta_data=configured(account) | starts[1] | {"starts": starts})
    (warning,) = [w for w in records().warnings if w.kind == "mixed accounts"]
    assert warning.text.startswith("fast has several devices: 8 V100 in ")
    assert ", 1 V100 in " in warning.text


def test_devices_of_several_kinds_are_told(
    records: Callable[..., RecordedRuns], write_trial: WriteTrial, account: Account
) -> None:
    for trial, kind in enumerate(("V100", "A100"), 1):
        content = configured(account) | {"device_kind": kind, "device_count": 8}
        write_trial(meta_data=content, trial=trial)
    (warning,) = [w for w in records().warnings if w.kind == "mixed accounts"]
    assert warning.text.startswith("fast has several devices: 8 V100 in ")
    assert ", 8 A100 in " in warning.text
