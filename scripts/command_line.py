"""What the command lines share: how they end, and which scale their flags mean."""

import argparse
import os
import signal
import sys
from collections.abc import Callable

from algoperf_jax.errors import UserError


def answer_for(main: Callable[[], int]) -> None:
    """Exits with what `main` returns, or with one line and the status of the error.

    That is 2 for a `UserError`, 3 for a `TrialError`, 4 for a `MachineError`, 130 for an interrupt,
    141 for a pipe that nobody reads any more, and 1 for another error of the system.
    """
    try:
        status = main()
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = error.exit_status
    except BrokenPipeError:
        status = 128 + signal.SIGPIPE
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    let_go_of_closed_output()
    sys.exit(status)


def let_go_of_closed_output() -> None:
    """Forgets what waits for a closed pipe, which would be tried again and complained about."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
