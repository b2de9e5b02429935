"""What a board was made from, so that anybody can make it again."""

import hashlib
import importlib.metadata
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from algoperf_jax.scoring.leaderboard import Leaderboard
from algoperf_jax.scoring.reading import EVALUATIONS

FILES = (EVALUATIONS, f"{EVALUATIONS}.gz", "meta_data.json")
"""Of a trial's folder, those that scoring reads."""


def manifest(
    leaderboards: Sequence[Leaderboard], command: Sequence[str], version: str
) -> dict[str, Any]:
    """As JSON data: the command, versions, rules, and each input with its checksum.

    Args:
      leaderboards: what was made.
      command: its words.
      version: of the kit.
    """
    return {
        "command": list(command),
        "version": version,
        "python": platform.python_version(),
        "polars": importlib.metadata.version("polars"),
        "numpy": importlib.metadata.version("numpy"),
        "boards": [
            {
                "rules": one.results.protocol.rules.name,
                "tuning": one.results.protocol.tuning,
                "scale": one.scale,
                "time": one.results.time,
                "trial_choice": one.results.trial_choice,
                "missing_studies": one.results.missing,
                "title": one.title,
            }
            for one in leaderboards
        ],
        "inputs": inputs(path for one in leaderboards for path in one.sources),
    }


def inputs(sources: Iterable[str]) -> list[dict[str, Any]]:
    """The files that sources, files and folders of trials, consist of, with SHA-256 and size."""
    files: list[Path] = []
    for source in sorted(set(map(Path, sources))):
        inside = [source / name for name in FILES]
        files += [path for path in inside if path.is_file()] if source.is_dir() else [source]
    return [
        {
            "file": str(path),
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in files
    ]
