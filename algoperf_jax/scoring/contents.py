"""The contents of paths: trials of log trees, and tidy files."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from algoperf_jax.errors import UserError
from algoperf_jax.rules import Tuning
from algoperf_jax.scoring.folders import (
    TUNINGS,
    TrialFolder,
    better_folder,
    find_trials,
    merged,
    study_around,
)
from algoperf_jax.scoring.input_warnings import InputWarning
from algoperf_jax.scoring.meta_data import MetaData, read_meta_data
from algoperf_jax.scoring.tidy import TidyFile, read_tidy, tidy_files

Logged = tuple[TrialFolder, MetaData | None]
"""A trial of a log tree with its own account, if it has one."""


class Contents(NamedTuple):
    """Records found at some paths.

    Attributes:
      folders: trials of log trees.
      tidy: tidy files by name.
      warnings: about what could not be read.
    """

    folders: Sequence[Logged]
    tidy: Mapping[str, TidyFile]
    warnings: Sequence[InputWarning]


def contents_of(paths: Sequence[Path]) -> Contents:
    """Everything at the paths; a trial or file below two of them counts once.

    Args:
      paths: absolute, of folders and tidy files.

    Raises:
      UserError: a path does not exist.
    """
    folders: dict[str, Logged] = {}
    tidy: dict[str, TidyFile] = {}
    warnings: list[InputWarning] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist; name a folder of records or a tidy CSV file")
        trials, found = find_trials(path) if path.is_dir() else ([], [])
        warnings += found
        files = [path] if path.is_file() else []
        if path.is_dir() and not trials and study_around(path) is None:
            files = tidy_files(path)
        if not trials and not files:
            hint = better_folder(path)
            text = f"{path} holds no study_K folder with trials in it, and no CSV file; " + (
                hint or "skipped"
            )
            warnings.append(InputWarning("empty folder", text))
        for trial in trials:
            try:
                folders[trial.folder] = trial, read_meta_data(trial.folder)
            except UserError as error:
                warnings.append(InputWarning("unreadable file", f"{error}; trial skipped"))
        for file in files:
            try:
                tidy[str(file)] = read_tidy(file)
            except UserError as error:
                warnings.append(InputWarning("unreadable file", f"{error}; skipped"))
                continue
            if lines := tidy[str(file)].left_out:
                text = f"{file}: {lines}; left out, the other lines count"
                warnings.append(InputWarning("bad line", text))
    for tuning in (None, *TUNINGS.values()):
        warnings += merged(trial for trial, _ in folders.values() if trial.tuning == tuning)
    return Contents(list(folders.values()), tidy, list(dict.fromkeys(warnings)))


def tunings_at(paths: Iterable[Path]) -> list[Tuning]:
    """The tuning rules that the records at some paths say they are of; external if they do not."""
    folders, tidy, _ = contents_of(sorted({path.expanduser().resolve() for path in paths}))
    found = {tuning_of(one) for one in folders} | ({"external"} if tidy else set())
    both: tuple[Tuning, ...] = ("external", "self")
    return [tuning for tuning in both if tuning in found]


def tuning_of(logged: Logged) -> str:
    """The tuning rule of a trial: its own account, or a folder above it; external by default."""
    folder, account = logged
    return account.tuning if account else folder.tuning or "external"
