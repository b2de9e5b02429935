"""Runs a Python program that ends with the process that started it.

    python -m algoperf_jax.suite.ends_with_parent PROGRAM.py ARGUMENT ...

The starter holds the other end of this process's standard input. When the starter is gone, however
it went, the pipe closes, and this process ends at once together with everything in its group: a
trial that nobody supervises any more must not go on writing into a folder in which it will be
resumed. Records and checkpoints are written atomically, so ending at any moment is harmless.
"""

import os
import runpy
import signal
import sys
import threading
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Runs the program as if it had been called by itself."""
    # A starter that ignores or blocks interrupts, as Ray's workers do, hands that on.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_starter, daemon=True).start()
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).resolve().parent)
    runpy.run_path(arguments[0], run_name="__main__")


def _end_with_starter() -> None:
    while os.read(0, 4096):
        pass
    group = os.getpgrp()
    if group == os.getpid():
        os.killpg(group, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
