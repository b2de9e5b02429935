"""What all command lines share: how they end."""

import sys
from collections.abc import Callable

from algoperf_jax.errors import UserError


def answer_for(main: Callable[[], int]) -> None:
    """Exits with what `main` returns, or with one line: 2 for a `UserError`, 130 for an interrupt.

    An error of the system, such as a full disk, is 1.
    """
    try:
        sys.exit(main())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
