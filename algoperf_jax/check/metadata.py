"""The metadata of a submission: a JSON file beside it, `<file stem>.json`.

{
  "name": "Schedule-free AdamW",
  "organisations": ["University of Somewhere"],
  "authors": ["A. Author", "B. Author"],
  "description": "AdamW with averaging in place of a learning rate schedule.",
  "framework": "jax",
  "prize_eligible": true,
  "rule_set": "external"
}
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from algoperf_jax.errors import UserError
from algoperf_jax.files import read_json
from algoperf_jax.rules import Tuning

FRAMEWORKS = ("jax",)
RULE_SETS = ("external", "self")


@dataclasses.dataclass(frozen=True)
class SubmissionMetadata:
    """The entry of a submission.

    Attributes:
      name: how tables and reports call it.
      organisations: where its authors come from; at least one, or "independent".
      authors: at least one.
      description: of the algorithm, in one sentence or several.
      framework: `"jax"`.
      prize_eligible: whether it takes part in the competition for prizes.
      rule_set: the tuning rules it is made for, `"external"` or `"self"`.
    """

    name: str
    organisations: tuple[str, ...]
    authors: tuple[str, ...]
    description: str
    framework: Literal["jax"]
    prize_eligible: bool
    rule_set: Tuning


KEYS = tuple(field.name for field in dataclasses.fields(SubmissionMetadata))


def metadata_path(submission_file: Path) -> Path:
    """The file that belongs to a submission's file."""
    return submission_file.with_suffix(".json")


def beside(submission: str) -> SubmissionMetadata | None:
    """The metadata beside a submission; None without such a file.

    Args:
      submission: as `train.py` takes it; only a file, `path/to/file.py[:NAME]`, has one beside it.

    Raises:
      UserError: as `load` does.
    """
    file = submission.partition(":")[0]
    path = metadata_path(Path(file))
    return load(path) if file.endswith(".py") and path.is_file() else None


def load(path: Path) -> SubmissionMetadata:
    """The metadata in a file.

    Raises:
      UserError: there is no such file, it is not JSON, or a key is missing or wrong; the message
        names the file, the key and the values allowed.
    """
    data = read_json(path)
    if data is None:
        raise UserError(f"there is no {path}; it has to hold a JSON object with {', '.join(KEYS)}")
    return parse(data, str(path))


def parse(data: Any, where: str = "metadata") -> SubmissionMetadata:
    """The metadata that JSON data hold.

    Args:
      data: an object with exactly the keys of `SubmissionMetadata`.
      where: what errors call it, for example its file.

    Raises:
      UserError: a key is missing or unknown, or its value is not one of those allowed.
    """
    if not isinstance(data, Mapping):
        raise UserError(
            f"{where}: expected a JSON object with {', '.join(KEYS)}, found {_shown(data)}"
        )
    for key in KEYS:
        if key not in data:
            raise UserError(f"{where}: {key!r} is missing; the keys are {', '.join(KEYS)}")
    for key in data:
        if key not in KEYS:
            raise UserError(f"{where}: unknown key {key!r}; the keys are {', '.join(KEYS)}")
    for key in ("name", "description"):
        if not _is_text(data[key]):
            raise _wrong(where, key, "a text that is not empty", data[key])
    for key in ("organisations", "authors"):
        value = data[key]
        if not isinstance(value, list) or not value or not all(map(_is_text, value)):
            raise _wrong(where, key, 'a list of names such as ["A. Author"]', value)
    for key, allowed in (("framework", FRAMEWORKS), ("rule_set", RULE_SETS)):
        if data[key] not in allowed:
            raise _wrong(where, key, " or ".join(map(_shown, allowed)), data[key])
    if not isinstance(data["prize_eligible"], bool):
        raise _wrong(where, "prize_eligible", "true or false", data["prize_eligible"])
    lists = {key: tuple(data[key]) for key in ("organisations", "authors")}
    return SubmissionMetadata(**{**data, **lists})


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _wrong(where: str, key: str, expected: str, found: Any) -> UserError:
    return UserError(f"{where}, {key}: expected {expected}, found {_shown(found)}")


def _shown(value: Any) -> str:
    return json.dumps(value, default=str)
