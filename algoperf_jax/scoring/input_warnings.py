"""Warnings about the input: one line each, counted by kind, errors on request."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from algoperf_jax.errors import UserError


class InputWarning(NamedTuple):
    """Something in the input that cannot count.

    Attributes:
      kind: warnings of one kind are counted together, as in "3 x unreadable file".
      text: one line with the file, its fault and the consequence.
    """

    kind: str
    text: str


def fail_if_any(warnings: Sequence[InputWarning]) -> None:
    """Raises a `UserError` with the first warning and the number of all."""
    if warnings:
        more = f" (and {len(warnings) - 1} more warnings)" if len(warnings) > 1 else ""
        raise UserError(f"{warnings[0].kind}: {warnings[0].text}{more}")


def warning_lines(warnings: Iterable[InputWarning], most_per_kind: int = 10) -> list[str]:
    """The warnings as lines: at most so many of each kind, then how many there are of each."""
    warnings = list(warnings)
    totals = Counter(warning.kind for warning in warnings)
    lines, shown = [], Counter[str]()
    for kind, text in warnings:
        shown[kind] += 1
        if shown[kind] <= most_per_kind:
            lines.append(f"{kind}: {text}")
    for kind, total in totals.items():
        if total > most_per_kind:
            lines.append(f"{kind}: ... and {total - most_per_kind} more")
    if warnings:
        lines.append(f"in all {counts(warnings)}")
    return lines


def counts(warnings: Iterable[InputWarning]) -> str:
    """How many there are of each kind."""
    totals = Counter(warning.kind for warning in warnings)
    return ", ".join(f"{total} x {kind}" for kind, total in totals.items())
