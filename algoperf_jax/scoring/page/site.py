"""All files of the page."""

from collections.abc import Sequence
from importlib import resources

from algoperf_jax.errors import UserError
from algoperf_jax.scoring import formats
from algoperf_jax.scoring.figure import INSTALL
from algoperf_jax.scoring.leaderboard import Leaderboard
from algoperf_jax.scoring.page.front import front_page
from algoperf_jax.scoring.page.links import Key, submission_pages, table_file
from algoperf_jax.scoring.page.submission import submission_page
from algoperf_jax.scoring.tables import all_tables

ASSETS = ("page.css", "page.js")


def plotly_script() -> str:
    """The script of the plotting library, out of the installed package.

    Raises:
      UserError: the package is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise UserError(f"--html needs plotly; install it with {INSTALL}") from None
    return get_plotlyjs()


def site(leaderboards: Sequence[Leaderboard], script: str, footer: str) -> dict[str, str]:
    """The content of each file, by its path relative to the page's folder.

    Args:
      leaderboards: one per tuning rule.
      script: the plotting library's, as `plotly_script` gives it.
      footer: the last line of each page.
    """
    pages = submission_pages(leaderboards)
    files = {"index.html": front_page(leaderboards, pages, footer)}
    for leaderboard in leaderboards:
        results, tuning = leaderboard.results, leaderboard.results.protocol.tuning
        for name in results.submissions:
            files[pages[Key(tuning, name)]] = submission_page(leaderboard, name, footer)
        for table in all_tables(leaderboard):
            files[table_file(tuning, table, "csv")] = formats.as_csv(table)
            text = formats.as_markdown(table, results.baseline)
            files[table_file(tuning, table, "md")] = text
    folder = resources.files(__package__) / "assets"
    files |= {f"assets/{name}": (folder / name).read_text(encoding="utf-8") for name in ASSETS}
    files["assets/plotly.min.js"] = script
    return files
