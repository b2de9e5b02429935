"""The performance profile as a figure for a paper, drawn by matplotlib."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_jax.errors import UserError
from algoperf_jax.scoring.leaderboard import Leaderboard, ranked
from algoperf_jax.scoring.lines import line_style
from algoperf_jax.scoring.profiles import profiles

SUFFIXES = (".pdf", ".png", ".svg")
"""What a figure's file may end in; the ending decides its format."""

INSTALL = "python -m pip install -e '.[report]'"
"""How the libraries of reports are installed."""

_DASHES = {
    "solid": "solid",
    "dash": (0, (5, 2)),
    "dot": (0, (1.2, 1.6)),
    "dashdot": (0, (5, 1.6, 1.2, 1.6)),
}


def check_figure(path: Path) -> None:
    """Raises a `UserError` unless a figure can be drawn and the file's ending names a format."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"--figure: {path} has to end in one of {', '.join(SUFFIXES)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError(f"--figure needs matplotlib; install it with {INSTALL}") from None


def profile_steps(ratios_B: np.ndarray, r_max: float) -> tuple[np.ndarray, np.ndarray]:
    """Where one profile rises, ends included, and its height from there on.

    Args:
      ratios_B: performance ratios of a submission.
      r_max: where it ends.
    """
    inner = ratios_B[ratios_B <= r_max]
    taus_T = np.unique(np.concatenate([[1.0, r_max], inner]))
    return taus_T, profiles(ratios_B[None], taus_T)[0]


def profile_figure(leaderboards: Sequence[Leaderboard], suffix: str) -> bytes:
    """The performance profiles, a panel per tuning rule, as the content of a file.

    The same leaderboards give the same bytes.

    Args:
      leaderboards: one or two.
      suffix: of the file, one of `SUFFIXES`.
    """
    import matplotlib
    from matplotlib.figure import Figure

    look: Any = {
        "font.size": 9,
        "pdf.fonttype": 42,  # text that journals accept and readers can select
        "svg.hashsalt": "algoperf_jax",
        "text.parse_math": False,  # a dollar sign in a name is one
    }
    with matplotlib.rc_context(look):
        figure = Figure(figsize=(6.75, 3.4 * len(leaderboards)), layout="constrained")
        panels = figure.subplots(len(leaderboards), 1, squeeze=False)[:, 0]
        for leaderboard, axes in zip(leaderboards, panels, strict=True):
            _draw(leaderboard, axes, titled=len(leaderboards) > 1)
        content = io.BytesIO()
        dates: dict[str, Any] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": {}}
        kind = suffix.lower()
        figure.savefig(content, format=kind[1:], dpi=200, metadata=dates[kind])
    return content.getvalue()


def _draw(leaderboard: Leaderboard, axes: Any, titled: bool) -> None:
    results, r_max = leaderboard.results, leaderboard.results.protocol.rules.r_max
    for number, (name, i) in enumerate(ranked(results)):
        taus, shares = profile_steps(results.ratios_SxB[i], r_max)
        style = line_style(number)
        axes.plot(
            taus,
            shares,
            drawstyle="steps-post",
            color=style.light,
            linestyle=_DASHES[style.dash],
            linewidth=1.4,
            label=f"{leaderboard.infos[name].name} ({results.exact_S[i]:.3f})".lstrip("_"),
        )
    axes.set(
        xlim=(1, r_max),
        ylim=(-0.015, 1.015),
        xlabel="time relative to the fastest submission",
        ylabel="share of workloads",
        title=f"{results.protocol.tuning} tuning" if titled else None,
    )
    axes.grid(linewidth=0.4, alpha=0.5)
    axes.legend(
        loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=7.5, handlelength=3
    )
