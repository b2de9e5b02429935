"""Whether somebody watches: a terminal, or a notebook."""

import builtins
import sys


def in_notebook() -> bool:
    """Whether the code runs in IPython, as notebooks do."""
    return hasattr(builtins, "__IPYTHON__")


def is_watched() -> bool:
    """Whether somebody seems to read what is printed."""
    return in_notebook() or bool(sys.stdout and sys.stdout.isatty())
