"""HTML elements from text; whatever is not an element already is escaped."""

import html
import json
from collections.abc import Iterable
from typing import Any

VOID = frozenset({"meta", "link", "wbr"})


class Markup(str):
    """Text that is HTML already."""


def element(tag: str, *children: str | None, **attributes: Any) -> Markup:
    """An element; children that are plain text are escaped, None is left out.

    Args:
      tag: its name.
      *children: elements and texts.
      **attributes: a trailing underscore is dropped, others become hyphens (`class_`, `aria_sort`);
        True is an attribute without a value, None and False are left out.
    """
    parts = [f"<{tag}"]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        name = name.rstrip("_").replace("_", "-")
        parts.append(f" {name}" if value is True else f' {name}="{html.escape(str(value))}"')
    parts.append(">")
    if tag in VOID:
        return Markup("".join(parts))
    return Markup("".join([*parts, joined(children), f"</{tag}>"]))


def joined(children: Iterable[str | None], separator: str = "") -> Markup:
    """Elements and texts one after another."""
    texts = [
        child if isinstance(child, Markup) else html.escape(child)
        for child in children
        if child is not None
    ]
    return Markup(separator.join(texts))


def breakable(name: str) -> Markup:
    """A name that may be broken at its underscores."""
    return joined(name.replace("_", "_\0").split("\0"), element("wbr"))


def script_data(id_: str, data: Any) -> Markup:
    """Data for scripts, as JSON that cannot end the element it stands in."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="{html.escape(id_)}">{text}</script>')
