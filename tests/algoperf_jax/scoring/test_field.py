"""From paths to leaderboards, as in a notebook."""

from collections.abc import Callable
from pathlib import Path

import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.rules import Facts
from algoperf_jax.scoring.field import ScoringChoices, leaderboard_of, read_field, tunings

WriteTrial = Callable[..., Path]


def choices(folder: Path, **changes: object) -> ScoringChoices:
    return ScoringChoices(paths=(folder,), **changes)


def test_records_become_a_leaderboard(
    tmp_path: Path, facts: dict[str, Facts], write_trial: WriteTrial
) -> None:
    for name, seconds in {"baseline": 10.0, "slow": 20.0}.items():
        write_trial([(1, seconds, 1.0)], submission=name)
    what = choices(tmp_path, studies=1)
    found = leaderboard_of(read_field(what, "external", facts), what)
    assert found.results.ranking == ["baseline", "slow"]
    assert found.title.startswith("Rules v0.5, external tuning, scale full, time in seconds")
    assert found.curves == ()


def test_strict_makes_the_first_warning_an_error(
    tmp_path: Path, facts: dict[str, Facts], write_trial: WriteTrial
) -> None:
    write_trial(workload="gamma")
    write_trial()
    with pytest.raises(UserError, match=r"no workload 'gamma'.*1 more warning"):
        read_field(choices(tmp_path, strict=True), "external", facts)


def test_both_tuning_rules_are_those_of_the_records(
    tmp_path: Path, write_trial: WriteTrial
) -> None:
    write_trial()
    assert tunings(choices(tmp_path, tuning="both")) == ["external"]
    assert tunings(choices(tmp_path, tuning="self")) == ["self"]
