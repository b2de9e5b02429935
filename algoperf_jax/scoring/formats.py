"""Tables as text, as Markdown and as CSV."""

import csv
import io
import re

from algoperf_jax.scoring.text_table import TextTable


def as_text(table: TextTable) -> str:
    """The table in columns, for a terminal; long names in its header are broken at underscores."""
    heads = [_broken(name) for name in table.header]
    depth = max(map(len, heads))
    lines = [[head[i] if i < len(head) else "" for head in heads] for i in range(depth)]
    widths = [max(map(len, column)) for column in zip(*lines, *table.rows, strict=True)]
    text = [table.title, ""]
    for number, line in enumerate([*lines, *table.rows]):
        if number == depth:
            text.append("  ".join("-" * width for width in widths))
        cells = zip(line, widths, strict=True)
        text.append("  ".join(cell.ljust(width) for cell, width in cells).rstrip())
    return "\n".join([*text, *table.legend]) + "\n"


def as_markdown(table: TextTable, baseline: str | None) -> str:
    """The table in Markdown; the baseline's name in italics."""
    rows = [list(map(_markdown_cell, row)) for row in table.rows]
    rows = [
        [f"_{cell}_" if plain == baseline else cell for cell, plain in zip(*pair, strict=True)]
        for pair in zip(rows, table.rows, strict=True)
    ]
    lines = [list(map(_markdown_cell, table.header)), ["---"] * len(table.header), *rows]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    legend = "\n\n".join(map(_markdown_cell, table.legend))
    return f"## {_markdown_cell(table.title)}\n\n{text}\n\n{legend}\n"


def as_csv(table: TextTable) -> str:
    """The table in CSV, cells as they are shown."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([table.header, *table.rows])
    return text.getvalue()


def _broken(name: str, width: int = 12) -> list[str]:
    """The name on several lines, if it is long."""
    lines = [""]
    for part in name.replace("_", "_\0").replace(" ", " \0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append(part)
        else:
            lines[-1] += part
    return [line.rstrip() for line in lines]


def _markdown_cell(cell: str) -> str:
    """The text with everything that Markdown, or HTML in it, would take for markup escaped.

    An underscore within a word is none.
    """
    cell = re.sub(r"[\\`*|\[\]]|(?<!\w)_|_(?!\w)", r"\\\g<0>", " ".join(cell.split()))
    return cell.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
