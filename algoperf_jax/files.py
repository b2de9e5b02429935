"""JSON and CSV files that are replaced atomically, and the names that folders may have."""

import contextlib
import csv
import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_jax.errors import UserError

Row = Mapping[str, Any]

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.+ -]*[A-Za-z0-9_.+-])?")


def check_plain_name(name: Any, what: str) -> None:
    """Raises a `UserError` unless the name can be that of a folder anywhere.

    Args:
      name: letters, digits, `_ . + -` and inner spaces; the first one a letter, digit or `_`.
      what: whose name it is.
    """
    if not isinstance(name, str) or not _PLAIN_NAME.fullmatch(name):
        raise UserError(
            f"{what}: the name {name!r} cannot be that of a folder; it takes the letters a to z, "
            "digits, _ . + - and spaces between them, and begins with a letter, a digit or _"
        )


def check_can_write(path: Path, flag: str, *, file: bool = False) -> None:
    """Raises a `UserError` where the folder cannot be made or written to; makes nothing.

    Args:
      path: a folder, which is made with those above it when it is written to, or a file.
      flag: what named it.
      file: whether it is a file, whose folder has to be there.
    """
    if file and path.is_dir():
        raise UserError(f"{flag}: {path} is a folder; name a file")
    folder = path.absolute().parent if file else path.absolute()
    if file and not folder.is_dir():
        raise UserError(f"{flag}: cannot write {path}: there is no folder {folder}")
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"{flag}: cannot write {path}: {folder} is no folder; name another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(
            f"{flag}: cannot write {path}: you may not write to {folder}; name another folder"
        )


def read_json(path: Path) -> Any | None:
    """The file's content; None where there is no such file.

    Raises:
      UserError: the file is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}; mend or remove it") from None


def write_json(path: Path, value: Any) -> None:
    """Replaces the file, atomically, by `value` as JSON with indent 2."""
    write_text(path, to_json(value) + "\n")


def to_json(value: Any) -> str:
    """`value` as JSON text; arrays and their scalars become lists and numbers."""

    def plain(found: Any) -> Any:
        if hasattr(found, "tolist"):
            return found.tolist()
        raise UserError(f"a record cannot hold {found!r}, which is a {type(found).__name__}")

    return json.dumps(value, indent=2, default=plain)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Row]) -> None:
    """Replaces the file, atomically; a cell that a row lacks stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """Replaces the file, atomically: a kill leaves the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
