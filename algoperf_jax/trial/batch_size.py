"""The global batch size of a trial, and who chose it."""

import operator
from typing import Any, NamedTuple

from algoperf_jax.errors import UserError
from algoperf_jax.own_code import explained
from algoperf_jax.submission import Submission
from algoperf_jax.workload import Workload


class BatchSize(NamedTuple):
    """A global batch size.

    Attributes:
      examples: how many.
      chosen_by: for people, for example "the workload".
    """

    examples: int
    chosen_by: str


def chosen_batch_size(
    workload: Workload, submission: Submission, given: int | None = None
) -> BatchSize:
    """The batch size given, or else the submission's own for the workload, or the workload's.

    A submission's sizes are about the benchmark itself: at scale mini it is asked for
    `<name>_mini` alone; at full scale for the workload's name, then for that of its base. None,
    and a KeyError of the name that was asked for, say that it has none.

    Raises:
      UserError: the submission gives what is no size, or fails.
    """
    if given is not None:
        return BatchSize(given, "the settings")
    if submission.batch_size is None:
        return BatchSize(workload.batch_size, "the workload")
    mini = workload.scale == "mini"
    names = [f"{workload.name}_mini"] if mini else [workload.name, workload.base_name]
    for name in dict.fromkeys(names):
        size = own_batch_size(submission, name)
        if size is not None:
            return BatchSize(size, f"the submission for {name!r}")
    asked = " and ".join(map(repr, dict.fromkeys(names)))
    return BatchSize(workload.batch_size, f"the workload, as the submission has none for {asked}")


def own_batch_size(submission: Submission, name: str) -> int | None:
    """What the submission's hook says for a name; None: it has none of its own.

    Raises:
      UserError: what it gives is no size, or it fails.
    """
    assert submission.batch_size is not None
    where = f"submission {submission.name!r}: batch_size({name!r})"
    try:
        size = submission.batch_size(name)
    except KeyError as error:
        if error.args == (name,):
            return None
        raise UserError(f"{where} raised {explained(error)}") from error
    except Exception as error:
        raise UserError(
            f"{where} raised {explained(error)}; where the submission has no size of its own, "
            "return None"
        ) from error
    return None if size is None else _checked(size, where)


def _checked(size: Any, where: str) -> int:
    try:
        number = operator.index(size)
    except TypeError:
        number = 0
    if number < 1 or isinstance(size, bool):
        raise UserError(
            f"{where} gives {size!r}; a positive int is needed, or None to leave it to the workload"
        )
    return number
