"""A point of hyperparameters as people write it on a command line."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_jax.errors import UserError

_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
_INTEGER = re.compile(r"[+-]?\d+")


def read_point(
    words: Sequence[str] | None, defaults: Mapping[str, Any], flag: str = "--hyperparameters"
) -> dict[str, Any] | None:
    """Returns the point that words name: `KEY=VALUE` pairs, a JSON object, or a file with one.

    What the text of a value means follows from the default of its name: for a number `1`, `.5` and
    `1e3`; for a switch true or false, yes or no, on or off, in small or capital letters; for text
    the text itself. Where the default says nothing (`None`), JSON and numbers are read as such and
    everything else is text, but for words that somebody might mean as a switch or as nothing.

    Args:
      words: the flag's; None or empty: it was not given.
      defaults: the submission's default point. Names that it does not have are taken as if their
        default were None; it is for the submission to refuse them.
      flag: its name, for error messages.

    Raises:
      UserError: the words are neither, a name is there twice, a value is not of its default's type,
        or is a search space.
    """
    if not words:
        return None
    if len(words) == 1 and (words[0].lstrip().startswith("{") or "=" not in words[0]):
        point = _json_object(words[0], flag)
    else:
        point = {}
        for word in words:
            name, separator, text = word.partition("=")
            if not separator:
                raise UserError(f"{flag}: {word!r} is not KEY=VALUE")
            if name in point:
                raise UserError(f"{flag}: {name} is there twice; one value is expected")
            point[name] = _value(text, defaults.get(name), f"{flag}: {name}")
    for name, value in point.items():
        if isinstance(value, dict | list):
            raise UserError(
                f"{flag}: {name} is {json.dumps(value)}, which is a search space; one value is "
                "expected here"
            )
    return point


def _value(text: str, default: Any, where: str) -> Any:
    if isinstance(default, str):
        value = _json(text)
        return value if isinstance(value, str) else text
    if isinstance(default, bool):
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise UserError(f"{where} is a switch, true or false, {text!r} was given")
    if isinstance(default, int | float):
        return _number(text, where)
    value = _json(text)
    if value is not None or text == "null":
        return value
    if text.lower() in (*_TRUE, *_FALSE, "none", "null", ""):
        raise UserError(f"{where}={text} could mean several things; write true, false or null")
    try:
        return _number(text, where)
    except ValueError:
        return text


class _NoNumber(UserError, ValueError):
    """Text that should be a number and is none."""


def _number(text: str, where: str) -> int | float:
    try:
        value = int(text) if _INTEGER.fullmatch(text) else float(text)
    except ValueError:
        raise _NoNumber(f"{where} is a number, {text!r} was given") from None
    if not math.isfinite(value):
        raise UserError(f"{where} is a finite number, {text!r} was given")
    return value


def _json(text: str) -> Any:
    """The value of JSON text; None where it is no JSON, or NaN or an infinity."""
    try:
        return json.loads(text, parse_constant=_refused)
    except ValueError:
        return None


def _refused(constant: str) -> Any:
    raise ValueError(constant)


def _json_object(word: str, flag: str) -> dict[str, Any]:
    if not word.lstrip().startswith("{"):
        path = Path(word)
        if not path.is_file():
            hint = "no such file" if word.endswith(".json") else "neither KEY=VALUE nor a file"
            raise UserError(f"{flag}: {word}: {hint}")
        word = path.read_text()

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise UserError(f"{flag}: {name} is there twice; one value is expected")
        return dict(pairs)

    try:
        value = json.loads(word, object_pairs_hook=once)
    except ValueError as error:
        raise UserError(
            f"{flag}: {word!r} is neither a JSON object nor KEY=VALUE: {error}"
        ) from None
    if not isinstance(value, dict):
        raise UserError(
            f"{flag}: a JSON object is expected, one point, found {type(value).__name__}"
        )
    return value
