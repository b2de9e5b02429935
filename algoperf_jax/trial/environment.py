"""What a record says about the software and hardware that a trial ran on."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import jax

PACKAGES = (
    "algoperf_jax",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "chex",
    "clu",
    "tensorflow",
    "tensorflow-datasets",
    "numpy",
)


def describe_environment() -> dict[str, Any]:
    """Versions, devices, host and git revision, as JSON data."""
    devices = jax.devices()
    return {
        "versions": {name: _version(name) for name in PACKAGES},
        "python_version": platform.python_version(),
        "os_platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "cpu_model_name": _cpu_model(),
        "device_platform": devices[0].platform,
        "device_kind": devices[0].device_kind,
        "device_count": len(devices),
        "process_count": jax.process_count(),
        "xla_flags": os.environ.get("XLA_FLAGS"),
        "git_commit_hash": _git_revision(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def _git_revision() -> str | None:
    """The checkout's commit, with `-dirty` behind it where files differ; None outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
