"""Colours and dashes of lines, told apart by colour-blind readers, on paper and on screens."""

from typing import NamedTuple

PAPER, NIGHT = "#ffffff", "#14181d"
"""Backgrounds of light and of dark pages."""

COLOURS = (
    ("#0067a6", "#5cb8f2"),
    ("#bf4a00", "#ff9447"),
    ("#00755a", "#2fcfa2"),
    ("#a23b78", "#ee9fcc"),
    ("#7f6200", "#e6c229"),
    ("#3a3f45", "#d5dadf"),
)
"""On a light and on a dark background, blue, vermilion, green, purple, ochre, grey: the hues that
Okabe and Ito (Color Universal Design, 2008) found to be told apart with any colour vision, darker
or lighter, so that each has a contrast of 3 or more with its background."""

DASHES = ("solid", "dash", "dot", "dashdot")


class LineStyle(NamedTuple):
    """How a line is drawn.

    Attributes:
      light, dark: its colour on a light and on a dark background.
      dash: one of `DASHES`.
    """

    light: str
    dark: str
    dash: str


def line_style(number: int) -> LineStyle:
    """The style of a line, by its number from 0; the first 24 differ.

    Neighbours differ in colour and in dashes.
    """
    # Without the shift line 12 would be drawn as line 0 is.
    shift = number // (len(COLOURS) * len(DASHES) // 2)
    return LineStyle(*COLOURS[number % len(COLOURS)], DASHES[(number + shift) % len(DASHES)])
