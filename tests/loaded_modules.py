"""Which modules a program loads, in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def loaded(program, *arguments):
    """The names of all modules that are loaded when the program, which prints nothing, ends."""
    program += "; import sys; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    (names,) = result.stdout.splitlines()
    return set(names.split())
