"""Errors a person can mend; everything else is a defect and keeps its traceback."""


class UserError(Exception):
    """An error its reader can mend: it says what, which value, and what would be right.

    Command lines print it as one line and exit with `exit_status`.
    """

    exit_status = 2


class DataError(UserError):
    """A data set is missing or malformed; names the file and the command that prepares it."""


def one_line(error: BaseException) -> str:
    """The error's kind and text on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


class TrialError(UserError):
    """Something is wrong with one trial's folder or record; other trials are not concerned."""

    exit_status = 3


class MachineError(UserError):
    """The machine failed, or something else beside the submission; its trial can be resumed."""

    exit_status = 4
