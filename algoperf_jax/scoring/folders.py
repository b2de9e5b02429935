"""Finds the trials of a log tree: SUBMISSION/study_K/WORKLOAD_FRAMEWORK/trial_J."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from algoperf_jax.errors import UserError
from algoperf_jax.rules import Tuning
from algoperf_jax.scoring.input_warnings import InputWarning

STUDY = re.compile(r"study_(\d+)$")
WORKLOAD = re.compile(r"(.+)_(jax|pytorch)$")
TRIAL = re.compile(r"trial_(\d+)$")

DEPTH = 5
"""Levels below a path in which submissions are looked for."""


TUNINGS: Mapping[str, Tuning] = {"external_tuning": "external", "self_tuning": "self"}
"""Folders of the benchmark's own logs that say which tuning rule the submissions in them are of."""


class TrialFolder(NamedTuple):
    """One trial of a log tree.

    Attributes:
      submission, study, workload, framework, trial: as the folders' names say.
      folder: where its files lie.
    """

    submission: str
    study: int
    workload: str
    framework: str
    trial: int
    folder: str

    @property
    def tuning(self) -> Tuning | None:
        """The tuning rule that the nearest folder above tells; None where none does."""
        above = (TUNINGS.get(part) for part in reversed(Path(self.folder).parts))
        return next(filter(None, above), None)


def merged(trials: Iterable[TrialFolder]) -> list[InputWarning]:
    """A warning for each submission whose trials lie in several folders of its name."""
    places: dict[str, set[str]] = {}
    for trial in trials:
        places.setdefault(trial.submission, set()).add(str(Path(trial.folder).parents[2]))
    return [
        InputWarning(
            "merged submissions",
            f"{' and '.join(sorted(folders))} have one name and count as one submission, {name}; "
            "where they are not, score them one at a time or run one under another name",
        )
        for name, folders in sorted(places.items())
        if len(folders) > 1
    ]


def find_trials(path: Path) -> tuple[list[TrialFolder], list[InputWarning]]:
    """All trials below a folder, in an order that does not depend on the file system's.

    Args:
      path: a folder of the kit's own records, a log tree of one or several submissions, or one
        study of a submission.

    Returns:
      The trials, and a warning for each folder of a study that is not a workload's or trial's.

    Raises:
      UserError: a folder cannot be read.
    """
    trials: list[TrialFolder] = []
    warnings: list[InputWarning] = []
    for submission, number, study in sorted(_studies(str(path.resolve()), DEPTH)):
        for name, folder in _subfolders(study):
            workload = WORKLOAD.match(name)
            if workload is None:
                text = f"{folder} does not end in a framework (_jax or _pytorch); skipped"
                warnings.append(InputWarning("stray folder", text))
                continue
            for trial_name, trial_folder in _subfolders(folder):
                trial = TRIAL.match(trial_name)
                if trial is None:
                    text = f"{trial_folder} is not named trial_J; skipped"
                    warnings.append(InputWarning("stray folder", text))
                    continue
                trials.append(
                    TrialFolder(
                        submission, number, workload[1], workload[2], int(trial[1]), trial_folder
                    )
                )
    return trials, warnings


def _studies(folder: str, depth: int) -> Iterator[tuple[str, int, str]]:
    """Submission, number and folder of each study at or below a folder."""
    own = STUDY.match(os.path.basename(folder))
    if own:
        yield os.path.basename(os.path.dirname(folder)), int(own[1]), folder
    elif depth:
        for _, child in _subfolders(folder):
            yield from _studies(child, depth - 1)


def _subfolders(folder: str) -> list[tuple[str, str]]:
    """Names and paths of the folders in a folder, sorted; hidden ones left out."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                (entry.name, entry.path)
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir()
            )
    except OSError as error:
        raise UserError(f"folder {folder} cannot be read: {error.strerror}") from None


def study_around(path: Path) -> Path | None:
    """The study's folder that a path lies within; None for one that is in no study."""
    return next((above for above in path.resolve().parents if STUDY.match(above.name)), None)


def better_folder(path: Path) -> str:
    """What to name instead of a folder without studies in reach: a hint for its reader, or empty.

    One of a single workload or trial lies within a submission's; a root that is too high lies far
    above.
    """
    if (study := study_around(path)) is not None:
        return f"it is a part of one submission, whose folder is {study.parent}"
    found = next(_studies(str(path.resolve()), 2 * DEPTH), None)
    if found is None:
        return ""
    submission = Path(found[2]).parent
    return (
        f"submissions lie further below; name the folder that holds them, say {submission.parent}"
    )
