"""Comparisons that say where two trees differ."""

from typing import Any

import jax
import numpy as np

from algoperf_jax.errors import UserError

RELATIVE_TOLERANCE = 1e-4
"""Of sums in another order, relative to the largest entry there is."""


class Violation(UserError):
    """Something does not keep to its contract; says what and where."""


def require(holds: Any, text: str) -> None:
    """Raises a `Violation` with that text unless the condition holds."""
    if not holds:
        raise Violation(text)


def require_close(
    found: Any, expected: Any, what: str, tolerance: float = RELATIVE_TOLERANCE
) -> None:
    """Raises a `Violation` unless all arrays agree to `tolerance` times the largest entry."""
    leaves = [np.asarray(x, np.float64) for x in jax.tree.leaves(expected)]
    scale = max((np.abs(x).max(initial=0.0) for x in leaves), default=0.0)
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(found), leaves, strict=True):
        off = np.abs(np.asarray(a, np.float64) - b).max(initial=0.0)
        require(
            off <= tolerance * scale,
            f"{what}: differs by {off:.3g} at {jax.tree_util.keystr(path) or 'the root'}, "
            f"the largest entry is {scale:.3g}",
        )


def require_equal(found: Any, expected: Any, what: str) -> None:
    """Raises a `Violation` unless all arrays are the same."""
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(found), jax.tree.leaves(expected), strict=True
    ):
        require(np.array_equal(a, b), f"{what} differ at {jax.tree_util.keystr(path)}")


def require_same_types(found: Any, expected: Any, what: str) -> None:
    """Raises a `Violation` unless both trees have the same leaves, shapes and dtypes."""
    a, b = _leaf_types(found), _leaf_types(expected)
    for path in a.keys() | b.keys():
        require(
            a.get(path) == b.get(path),
            f"{what} at {path}: {a.get(path, 'nothing')}, expected {b.get(path, 'nothing')}",
        )


def _leaf_types(tree: Any) -> dict[str, str]:
    return {
        jax.tree_util.keystr(path): f"{np.asarray(x).dtype}{list(np.shape(x))}"
        for path, x in jax.tree_util.tree_leaves_with_path(tree)
    }
