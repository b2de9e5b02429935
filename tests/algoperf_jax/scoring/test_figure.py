"""The performance profile for a paper."""

from pathlib import Path

import numpy as np
import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.scoring.curves import Curve
from algoperf_jax.scoring.figure import check_figure, profile_figure, profile_steps
from algoperf_jax.scoring.leaderboard import Leaderboard, frameworks
from algoperf_jax.scoring.reading import RecordedRuns
from algoperf_jax.scoring.results import results_of
from algoperf_jax.scoring.submission_info import SubmissionInfo

STARTS = {".pdf": b"%PDF", ".png": b"\x89PNG", ".svg": b"<?xml"}


@pytest.fixture(scope="module")
def leaderboard(published_records: RecordedRuns) -> Leaderboard:
    """The published leaderboard, with names that a typesetter could trip over."""
    result = results_of(published_records.runs, published_records.protocol, draws=10)
    infos = {
        name: SubmissionInfo(name, f"_{name} $\\alpha$ <b>&")
        for name in frameworks(published_records.runs)
    }
    nothing: tuple[Curve, ...] = ()
    return Leaderboard(result, "full", "title", (), (), infos, frozenset(), nothing)


def test_a_profile_rises_at_its_ratios_and_ends_at_r_max() -> None:
    taus, shares = profile_steps(np.array([1.0, 2.0, 2.0, np.inf]), 4.0)
    assert taus.tolist() == [1.0, 2.0, 4.0] and shares.tolist() == [0.25, 0.75, 0.75]


@pytest.mark.parametrize("suffix", STARTS)
def test_the_ending_decides_the_format(leaderboard: Leaderboard, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    content = profile_figure([leaderboard, leaderboard], suffix)
    assert content.startswith(STARTS[suffix]) and len(content) > 10_000
    assert profile_figure([leaderboard, leaderboard], suffix) == content


def test_other_endings_are_refused() -> None:
    with pytest.raises(UserError, match=r"has to end in one of \.pdf, \.png, \.svg"):
        check_figure(Path("profile.jpeg"))


def test_a_missing_library_is_an_error_that_names_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"pip install -e '\.\[report\]'"):
        check_figure(Path("profile.pdf"))
