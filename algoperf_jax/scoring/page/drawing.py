"""Plots as HTML: the element that is drawn into, its data, and a legend of buttons."""

from collections.abc import Iterable, Sequence

from algoperf_jax.scoring.lines import LineStyle
from algoperf_jax.scoring.page.markup import Markup, element, script_data
from algoperf_jax.scoring.page.plots import Line, Plot

_STROKES = {"solid": None, "dash": "8 4", "dot": "2.5 3", "dashdot": "8 3 2.5 3"}


def drawn(plot: Plot, id_: str, caption: Markup | str, group: str, tall: bool = False) -> Markup:
    """The plot with its caption; the page's script draws it when it comes into view.

    Args:
      plot: its data, layout and description.
      id_: of the element on its page.
      caption: the text above it.
      group: the legend whose buttons hide its lines.
      tall: whether it is the page's main plot.
    """
    return element(
        "figure",
        element("figcaption", caption),
        element(
            "div",
            id=id_,
            class_="plot tall" if tall else "plot",
            role="group",
            aria_label=plot.description,
            data_legend=group,
        ),
        script_data(f"{id_}-data", {"data": plot.data, "layout": plot.layout}),
    )


def legend(lines: Iterable[Line], group: str, notes: Sequence[str] = ()) -> Markup:
    """A button per line, which hides it and shows it again in all plots of a group.

    Args:
      lines: those of the plots.
      group: of the plots.
      notes: for each line a text behind its name, or an empty one.
    """
    lines = list(lines)
    buttons = []
    for line, note in zip(lines, notes or [""] * len(lines), strict=True):
        content = [_swatch(line.style), element("span", line.label)]
        content += [element("small", note)] if note else []
        button = element("button", *content, type="button", aria_pressed="true", data_line=line.key)
        buttons.append(element("li", button))
    label = "Lines of the plots; a button hides its line or shows it again"
    return element("ul", *buttons, class_="legend", id=group, aria_label=label)


def _swatch(style: LineStyle) -> Markup:
    stroke = f"light-dark({style.light}, {style.dark})"
    line = element(
        "line",
        x1="1",
        x2="35",
        y1="5",
        y2="5",
        style=f"stroke: {stroke}",
        stroke_width="3",
        stroke_dasharray=_STROKES[style.dash],
    )
    return element("svg", line, viewBox="0 0 36 10", width="36", height="10", aria_hidden="true")
