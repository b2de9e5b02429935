"""Errors of the machine, told from those of a submission.

An error while a submission's functions run is its own, and fails its trial. A full disk, a bad
sector, a closed pipe or a reporter that raises says nothing about the algorithm: such an error ends
the process, not the trial, which goes on from its newest checkpoint once the cause is mended.
"""

import contextlib
import errno
import os
from collections.abc import Iterator

from algoperf_jax.errors import DataError, MachineError, UserError, one_line

MACHINE_ERRORS = frozenset(
    {
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.ENODEV,
        errno.ENOLCK,
        errno.ENOSPC,
        errno.ENXIO,
        errno.EREMOTEIO,
        errno.EROFS,
        errno.ESTALE,
    }
)
"""Numbers of errors of the operating system that no algorithm can cause, whoever meets them."""


@contextlib.contextmanager
def machine_work(doing: str) -> Iterator[None]:
    """What is done inside is the kit's own work, so that no error in it is the submission's.

    Args:
      doing: what would have been done, for the message: "write the record".

    Raises:
      MachineError: in place of whatever is no `UserError`, and of a `DataError`.
    """
    try:
        yield
    except DataError as error:
        raise machine_error(error) from error
    except UserError:
        raise
    except Exception as error:
        raise machine_error(error, f"cannot {doing}") from error


def machine_error(error: BaseException, context: str = "") -> MachineError:
    """The error as one of the machine, in one line that says what to do."""
    said = f"{context}: {_cause(error)}" if context else _cause(error)
    return MachineError(
        f"{said}; this is no failure of the submission: once the cause is mended, the same command "
        "goes on from the newest checkpoint, or begins anew where there is none"
    )


def is_of_the_machine(error: BaseException, *, in_words: bool = False) -> bool:
    """Whether the error, or one that it was raised from, is one of the machine.

    Args:
      error: whoever raised it.
      in_words: whether the system's words in an error's text count, too, as libraries for storage
        have nothing else; for what the kit does itself.
    """
    if isinstance(error, MachineError):
        return True
    return any(
        found.errno in MACHINE_ERRORS
        if isinstance(found, OSError)
        else in_words and _told_by_the_system(found) is not None
        for found in _with_causes(error)
    )


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting.append(found.__cause__)
        waiting += getattr(found, "exceptions", ())


def _cause(error: BaseException) -> str:
    """What the system said, where a library has wrapped it in lines of its own."""
    for found in _with_causes(error):
        if isinstance(found, OSError) and found.strerror:
            return f"{found.strerror}: {found.filename}" if found.filename else found.strerror
        if told := _told_by_the_system(found):
            return told
    return one_line(error)


def _told_by_the_system(error: BaseException) -> str | None:
    """The words of the system within those of a library."""
    told = (os.strerror(number) for number in MACHINE_ERRORS)
    return next((words for words in told if words in str(error)), None)
