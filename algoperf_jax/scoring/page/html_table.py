"""Tables as HTML: sortable, in a container that scrolls, with shades where asked for."""

import math
from collections.abc import Mapping, Sequence

from algoperf_jax.scoring.page.markup import Markup, breakable, element, joined
from algoperf_jax.scoring.tables import MARKS, MEANINGS
from algoperf_jax.scoring.text_table import TextTable

SHADES = 5
"""Steps of shading from 0 to 1."""

LONG = 24
"""Characters from which on a text gets a wide column."""

_MARK_MEANINGS = {mark: MEANINGS[status] for status, mark in MARKS.items()}


def html_table(
    table: TextTable,
    id_: str,
    *,
    names: Sequence[Markup] | None = None,
    left_out: Sequence[str] = (),
    shaded: bool = False,
    after: Markup | None = None,
) -> Markup:
    """The table with a caption, buttons that sort, and its legend below.

    Args:
      table: its cells; the column `submission`, else the first one, heads the rows.
      id_: of the table on its page.
      names: what stands in the column `submission` instead, by row.
      left_out: names of columns that are not shown.
      shaded: whether cells are fractions, to be shaded by size; marks are explained.
      after: stands after the legend.
    """
    head = table.header.index("submission") if "submission" in table.header else 0
    shown = [i for i, column in enumerate(table.header) if column not in left_out]
    header = [
        _column(
            table.header[i],
            numeric=i != head and all(_is_number(row[i]) for row in table.rows),
            sorted_=table.header[i] == "rank",
        )
        for i in shown
    ]
    rows = []
    for number, row in enumerate(table.rows):
        cells = []
        for i in shown:
            name = names[number] if names is not None and i == head else None
            shade = shaded and i not in (head,) and table.header[i] != "field"
            cells.append(_cell(row[i], name, is_head=i == head, shaded=shade))
        rows.append(element("tr", *cells))
    body = element(
        "table",
        element("caption", table.title, id=f"{id_}-caption"),
        element("thead", element("tr", *header)),
        element("tbody", *rows),
        id=id_,
        class_="sortable",
    )
    # A container that scrolls has to be reached by the keyboard.
    scroll = {"role": "region", "aria_labelledby": f"{id_}-caption", "tabindex": "0"}
    return joined(
        [
            element("div", body, class_="scroll", **scroll),
            _scale() if shaded else None,
            *(element("p", line, class_="legend-line") for line in table.legend),
            after,
        ]
    )


def sort_key(text: str) -> str:
    """What a cell is sorted by: its leading number, infinity for a miss, else its text.

    Cells without a value ("*", "-") have none, and end up last.
    """
    first = text.split()[0] if text.split() else ""
    if first in ("*", "-", "", "not"):
        return ""
    # Of a range the lower end counts.
    number = first.split("-")[0] if first[0].isdigit() else first
    try:
        value = float(number)
    except ValueError:
        return text.casefold()
    return "Infinity" if math.isinf(value) else number


def _column(name: str, numeric: bool, sorted_: bool) -> Markup:
    button = element("button", breakable(name), type="button", class_="sort")
    return element(
        "th",
        button,
        scope="col",
        class_="number" if numeric else None,
        aria_sort="ascending" if sorted_ else "none",
    )


def _cell(text: str, name: Markup | None, is_head: bool, shaded: bool) -> Markup:
    key = sort_key(text)
    if is_head:
        return element("th", name or breakable(text), scope="row", data_sort=key)
    words = text.split()
    classes = ["number" if _is_number(text) else "long" if len(text) > LONG else "text"]
    content: list[str] = [text]
    if shaded:
        number, marks = words[0], words[1:]
        classes.append(_shade(number))
        content = [number]
        for mark in marks:
            if "/" in mark:
                text = f"mixed: {mark.replace('/', ' of ')} studies reached the target"
                content += [" ", element("abbr", mark, title=text, class_="mixed")]
            else:
                content = [element("s", number), " ", element("abbr", mark, title=_meaning(mark))]
                classes.append("void")
    return element("td", *content, class_=" ".join(classes), data_sort=key)


def _is_number(text: str) -> bool:
    return text[:1].isdigit() or text.split()[:1] in (["inf"], ["*"], ["-"])


def _meaning(mark: str) -> str:
    return f"counts as a miss: {_MARK_MEANINGS[mark]}" if mark in _MARK_MEANINGS else ""


def _shade(text: str) -> str:
    """The class of a fraction: the smaller, the stronger its shade."""
    if text in ("inf", "*"):
        return "miss" if text == "inf" else "absent"
    return f"shade-{min(int(float(text) * SHADES), SHADES - 1)}"


def _scale() -> Markup:
    """What the shades mean."""
    steps: Mapping[str, str] = {
        f"shade-{i}": f"{i / SHADES:g} to {(i + 1) / SHADES:g}" for i in range(SHADES)
    } | {"miss": "inf: missed", "absent": "*: no data"}
    items = [element("li", text, class_=class_) for class_, text in steps.items()]
    return element("ul", *items, class_="scale", aria_label="Shades of the table")
