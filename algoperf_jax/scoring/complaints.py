"""What is wrong with the input: one line each, counted by kind, fatal where one is strict."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from algoperf_jax.errors import UserError


class Complaint(NamedTuple):
    """Something in the input that cannot count.

    Attributes:
      kind: what is counted together, as in "3 x unreadable file".
      text: one line that names the file, what is wrong with it and what became of it.
    """

    kind: str
    text: str


def fail_if_any(complaints: Sequence[Complaint]) -> None:
    """Raises a `UserError` with the first complaint and the number of all."""
    if complaints:
        more = f" (and {len(complaints) - 1} more complaints)" if len(complaints) > 1 else ""
        raise UserError(f"{complaints[0].kind}: {complaints[0].text}{more}")


def warning_lines(complaints: Iterable[Complaint], most_per_kind: int = 10) -> list[str]:
    """The complaints as lines: at most so many of each kind, then how many there are of each."""
    complaints = list(complaints)
    totals = Counter(complaint.kind for complaint in complaints)
    lines, shown = [], Counter[str]()
    for kind, text in complaints:
        shown[kind] += 1
        if shown[kind] <= most_per_kind:
            lines.append(f"{kind}: {text}")
    for kind, total in totals.items():
        if total > most_per_kind:
            lines.append(f"{kind}: ... and {total - most_per_kind} more")
    if complaints:
        lines.append(f"in all {counts(complaints)}")
    return lines


def counts(complaints: Iterable[Complaint]) -> str:
    """How many there are of each kind."""
    totals = Counter(complaint.kind for complaint in complaints)
    return ", ".join(f"{total} x {kind}" for kind, total in totals.items())
