"""A leaderboard whose submissions have hostile names, and its page."""

from collections.abc import Callable
from pathlib import Path

import pytest
from leaderboards import leaderboard_of

from algoperf_jax.rules import RULE_SETS, Facts
from algoperf_jax.scoring.leaderboard import Leaderboard
from algoperf_jax.scoring.page.site import site
from algoperf_jax.scoring.reading import read
from algoperf_jax.scoring.submission_info import SubmissionInfo

HOSTILE = "<script>alert(1)</script>"
LINK = '<a href="https://example.org/">"quoted" & named</a>'

MakeLeaderboard = Callable[..., Leaderboard]


@pytest.fixture
def make_leaderboard(
    tmp_path: Path, facts: dict[str, Facts], write_trial: Callable[..., Path]
) -> MakeLeaderboard:
    """A leaderboard of one tuning rule: baseline solves both workloads, two others one each."""

    def make(tuning: str = "external") -> Leaderboard:
        root = f"{tuning}_logs"
        for name, alpha, beta in (
            ("baseline", 10.0, 20.0),
            ("a b?<i>", 30.0, None),
            ("x", None, 9),
        ):
            rows = [(1, 1.0, 0.1), (2, alpha or 90.0, 0.7 if alpha else 0.2)]
            write_trial(rows, submission=name, root=root)
            rows = [(1, 1.0, 9.0), (2, beta or 90.0, 0.7 if beta else "")]
            write_trial(rows, submission=name, workload="beta", metric="loss", root=root)
        records = read(
            [tmp_path / root], facts, RULE_SETS["v0.5"], tuning, studies=1, base_only=True
        )
        described = [
            SubmissionInfo(
                "x",
                HOSTILE,
                organisations=(LINK,),
                authors=(HOSTILE, "Ann Author"),
                description=f"{HOSTILE} and {LINK}",
                prize_eligible=True,
            )
        ]
        return leaderboard_of(
            records,
            described,
            scale="full",
            title=f"Title with {HOSTILE}",
            notices=(f"Notice with {HOSTILE}",),
        )

    return make


@pytest.fixture
def leaderboard(make_leaderboard: MakeLeaderboard) -> Leaderboard:
    """One leaderboard, external tuning."""
    return make_leaderboard()


@pytest.fixture
def files(leaderboard: Leaderboard) -> dict[str, str]:
    """All files of its page; the plotting library's script is a stand-in."""
    return site([leaderboard], "/* plotly */", "footer")
