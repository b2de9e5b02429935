"""Names of the page's files."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from algoperf_jax.rules import Tuning
from algoperf_jax.scoring.leaderboard import Leaderboard
from algoperf_jax.scoring.text_table import TextTable

LONGEST = 80


class Key(NamedTuple):
    """A submission under one tuning rule."""

    tuning: Tuning
    submission: str


def submission_pages(leaderboards: Sequence[Leaderboard]) -> dict[Key, str]:
    """The file of each submission, relative to the front page: `submissions/<its name>.html`.

    Whatever a file's name or a link could stumble over becomes an underscore. Of equal names, as a
    submission under both tuning rules has, the later ones get its tuning rule and a number.
    """
    pages: dict[Key, str] = {}
    taken: set[str] = set()
    for leaderboard in leaderboards:
        tuning = leaderboard.results.protocol.tuning
        for name in leaderboard.results.submissions:
            stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:LONGEST] or "_"
            found, number = stem, 1
            # Some file systems do not tell capitals from small letters.
            while found.lower() in taken:
                found = f"{stem}_{tuning}" + (f"_{number}" if number > 1 else "")
                number += 1
            taken.add(found.lower())
            pages[Key(tuning, name)] = f"submissions/{found}.html"
    return pages


def table_file(tuning: Tuning, table: TextTable, suffix: str) -> str:
    """The file that holds a table for a README or a spreadsheet, relative to the front page."""
    return f"tables/{tuning}_{table.name}.{suffix}"
