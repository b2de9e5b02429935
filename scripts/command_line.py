"""What the command lines share: how they end, and which scale their flags mean."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from typing import TextIO

from algoperf_jax.errors import MachineError, UserError
from algoperf_jax.trial.machine import MACHINE_ERRORS

BROKEN_PIPE = 128 + signal.SIGPIPE
"""What a shell says of a command that a closed pipe has ended."""


def answer_for(main: Callable[[], int]) -> None:
    """Exits with what `main` returns, or with one line and the status of the error.

    That is 2 for a `UserError`, 3 for a `TrialError`, 4 for a `MachineError` and a full disk or the
    like, 130 for an interrupt, 141 for a pipe that nobody reads any more, and 1 for another error
    of the system. Output that cannot be written changes nothing of a status but 0.
    """
    try:
        status = main()
    except UserError as error:
        tell(f"error: {error}")
        status = error.exit_status
    except BrokenPipeError:
        status = BROKEN_PIPE
    except OSError as error:
        tell(f"error: {error}")
        status = MachineError.exit_status if error.errno in MACHINE_ERRORS else 1
    except KeyboardInterrupt:
        tell("interrupted")
        status = 130
    try:
        sys.stdout.flush()
    except OSError as error:
        unwritten = BROKEN_PIPE if isinstance(error, BrokenPipeError) else MachineError.exit_status
        status = status or unwritten
        let_go_of(sys.stdout)
    sys.exit(status)


def tell(line: str) -> None:
    """Prints a line to standard error, if that can be written to."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        let_go_of(sys.stderr)


def let_go_of(stream: TextIO) -> None:
    """Forgets what waits to be written, which would be tried again at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def chosen_scale(flags: argparse.Namespace, *, needs_data: bool = True) -> str:
    """The scale that `--scale` and `--data_dir` mean together.

    Args:
      flags: with `scale` (None where it was not given) and `data_dir`.
      needs_data: whether the command reads data, so that scale full cannot do without `data_dir`.

    Raises:
      UserError: the two do not go together.
    """
    scale = flags.scale or ("full" if flags.data_dir else "mini")
    if scale == "full" and not flags.data_dir and needs_data:
        raise UserError("--scale=full needs --data_dir, the folder with the data sets")
    if scale == "mini" and flags.data_dir:
        raise UserError("--scale=mini uses embedded data and takes no --data_dir")
    return scale
