"""The benchmark's own baselines, each a short composition of optax pieces."""

from typing import Any

from algoperf_jax.errors import UserError
from algoperf_jax.registry import Entry, Registry

CATALOGUE = Registry(
    kind="submission",
    attribute="submission",
    entries={
        "adamw": Entry(
            "reference_algorithms.adamw:submission", "AdamW with warm-up and cosine decay"
        ),
        "nadamw": Entry(
            "reference_algorithms.nadamw:submission",
            "AdamW with Nesterov momentum, warm-up and cosine decay",
        ),
        "momentum": Entry(
            "reference_algorithms.momentum:submission",
            "SGD with heavy-ball momentum, warm-up and linear decay",
        ),
        "nesterov": Entry(
            "reference_algorithms.nesterov:submission",
            "SGD with Nesterov momentum, warm-up and linear decay",
        ),
    },
)


def get(name: str) -> Any:
    """The `Submission` of that name.

    Args:
      name: a name of the catalogue, `path/to/file.py`, or `package.module:NAME`; a file or module
        that names nothing else defines `submission`.

    Raises:
      UserError: there is no such submission.
    """
    from algoperf_jax.submission import Submission

    found = CATALOGUE.load(name)
    if not isinstance(found, Submission):
        raise UserError(f"submission {name!r}: expected a Submission, found {type(found).__name__}")
    return found
