"""Names, authors and descriptions of submissions, as their authors give them."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from algoperf_jax.errors import UserError
from algoperf_jax.files import read_json
from algoperf_jax.rules import Tuning
from algoperf_jax.scoring.input_warnings import InputWarning

FILE = "submission.json"
"""Its name in a submission's folder of records."""

YAML_FILE = "submission_info.yml"
"""Its name in the benchmark's own repository of submissions; one of both is enough."""

TUNINGS: Mapping[str, Tuning] = {
    "external": "external",
    "external_tuning": "external",
    "self": "self",
    "self_tuning": "self",
}

SYNONYMS = {
    "id": ("id", "submission", "submission_folder"),
    "name": ("name", "submission_name"),
    "organisations": ("organisations", "organizations", "organisation", "affiliations"),
    "authors": ("authors",),
    "framework": ("framework",),
    "prize_eligible": ("prize_eligible",),
    "description": ("description",),
    "version": ("version",),
    "tuning": ("rule_set", "ruleset", "tuning"),
}
"""The keys under which each value may stand; the first that is there counts."""


@dataclasses.dataclass(frozen=True)
class SubmissionInfo:
    """One submission as its authors describe it.

    Attributes:
      id: its name in the records.
      name: its name for readers.
      organisations, authors: their names.
      framework: `"JAX"` or `"PyTorch"`; empty where nobody says.
      prize_eligible: None where nobody says.
      description: a sentence or some.
      version: of the submission.
      tuning: the rule it was written for; None for either.
    """

    id: str
    name: str
    organisations: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    framework: str = ""
    prize_eligible: bool | None = None
    description: str = ""
    version: str = ""
    tuning: Tuning | None = None


def read_infos(path: Path) -> list[SubmissionInfo]:
    """Information on submissions from a JSON or YAML file.

    It holds one object, a list of objects, or a list under `submissions`.

    The keys are `id`, `name`, `organisations`, `authors`, `framework`, `prize_eligible`,
    `description`, `version` and `rule_set`, and their synonyms in `SYNONYMS`. Names are lists, or
    strings with commas. An object without `id` is about the submission that the file is named for.

    Raises:
      UserError: there is no such file, or it is something else.
    """
    content = _read_yaml(path) if path.suffix in (".yml", ".yaml") else read_json(path)
    if content is None:
        raise UserError(f"{path} does not exist; name a JSON file that describes submissions")
    if isinstance(content, dict) and "submissions" in content:
        content = content["submissions"]
    objects = content if isinstance(content, list) else [content]
    default = path.parent.name if path.name in (FILE, YAML_FILE) else path.stem
    try:
        return [_info(one, default) for one in objects]
    except ValueError as error:
        raise UserError(f"{path} does not describe submissions: {error}") from None


def infos_beside(runs: pl.DataFrame) -> tuple[list[SubmissionInfo], list[InputWarning]]:
    """Information on submissions from the files `FILE` or `YAML_FILE` in their folders.

    Args:
      runs: `submission`, `file`, `form`, as `checks` has them.

    Returns:
      What they say, and a warning for each file that says something else.
    """
    trials = runs.filter(pl.col("form") == "folder").select("submission", "file")
    # The trial's folder lies in its workload's, in its study's, in its submission's.
    homes = {Path(file).parents[2]: submission for submission, file in trials.iter_rows()}
    infos, warnings = [], []
    for home, submission in sorted(homes.items()):
        path = next((p for name in (FILE, YAML_FILE) if (p := home / name).is_file()), None)
        if path is None:
            continue
        try:
            infos += [dataclasses.replace(info, id=submission) for info in read_infos(path)]
        except UserError as error:
            warnings.append(InputWarning("unreadable file", f"{error}; the board goes without it"))
    return infos, warnings


def infos_for(
    frameworks: Mapping[str, str], described: Iterable[SubmissionInfo], tuning: Tuning
) -> dict[str, SubmissionInfo]:
    """Information on each submission; name and framework alone where nobody describes it.

    Args:
      frameworks: by submission, `"jax"` or `"pytorch"`, as its records say; empty if unknown.
      described: information at hand; the last one about a submission under this tuning rule counts.
      tuning: `"external"` or `"self"`.
    """
    known = {info.id: info for info in described if info.tuning in (None, tuning)}
    shown = {"jax": "JAX", "pytorch": "PyTorch"}
    result = {}
    for name, framework in frameworks.items():
        info = known.get(name, SubmissionInfo(name, name))
        found = info.framework or framework
        result[name] = dataclasses.replace(info, framework=shown.get(found.lower(), found))
    return result


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(errors="replace"))
    except FileNotFoundError:
        return None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is not valid YAML: {reason}; mend or remove it") from None


def _info(content: Any, default: str) -> SubmissionInfo:
    if not isinstance(content, dict):
        shown = repr(content)[:60]
        raise ValueError(f"{shown} stands where an object with a name is due")
    values = {
        field: next((content[key] for key in keys if content.get(key) is not None), None)
        for field, keys in SYNONYMS.items()
    }
    prize = values["prize_eligible"]
    if prize is not None and not isinstance(prize, bool):
        raise ValueError(f"prize_eligible is {prize!r}, expected true, false or null")
    kind = values["tuning"]
    tuning = str(kind).lower().replace("-", "_") if kind is not None else None
    if tuning is not None and tuning not in TUNINGS:
        raise ValueError(f"rule_set is {kind!r}, expected one of {', '.join(TUNINGS)}")
    id_ = _text(values["id"], "id") or default
    return SubmissionInfo(
        id=id_,
        name=_text(values["name"], "name") or id_,
        organisations=_names(values["organisations"], "organisations"),
        authors=_names(values["authors"], "authors"),
        framework=_text(values["framework"], "framework"),
        prize_eligible=prize,
        description=_text(values["description"], "description"),
        version=str(values["version"] if values["version"] is not None else ""),
        tuning=TUNINGS[tuning] if tuning else None,
    )


def _text(value: Any, key: str) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{key} is {value!r}, expected a text")
    return " ".join((value or "").split())


def _names(value: Any, key: str) -> tuple[str, ...]:
    parts: Sequence[Any] = value.split(",") if isinstance(value, str) else (value or [])
    if not isinstance(parts, list):
        raise ValueError(f"{key} is {value!r}, expected a list of names")
    return tuple(text for part in parts if (text := _text(part, key)))
