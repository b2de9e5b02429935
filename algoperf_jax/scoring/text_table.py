"""A table of text, before anybody knows where it is shown."""

from collections.abc import Sequence
from typing import NamedTuple


class TextTable(NamedTuple):
    """A table to show.

    Attributes:
      title: one line.
      header: names of the columns.
      rows: of cells; one per submission, by rank.
      legend: lines that explain it.
      name: for files and links.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    legend: Sequence[str] = ()
    name: str = ""
