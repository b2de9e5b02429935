"""Checks at the contract's border: what was expected, what was found.

They run while a program is traced (shapes, dtypes, structures only), so they cost nothing per
step.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from algoperf_jax.errors import UserError
from algoperf_jax.workload import LossTerms


def check_same_tree(found: Any, expected: Any, what: str) -> None:
    """Raises a `UserError` unless both trees agree in structure, shapes and dtypes."""
    found_paths, expected_paths = _leaf_types(found), _leaf_types(expected)
    for path in expected_paths.keys() | found_paths.keys():
        if expected_paths.get(path) != found_paths.get(path):
            raise UserError(
                f"{what} at {path or 'the root'}: expected {expected_paths.get(path, 'nothing')}, "
                f"found {found_paths.get(path, 'nothing')}"
            )
    _check(what, chex.assert_trees_all_equal_structs, found, expected)


def with_types_of(expected: Any, found: Any) -> Any:
    """`found` with floats rounded that are wider than those of `expected` at their place.

    A float32 learning rate makes float32 updates and averages of bfloat16 gradients; what is kept
    has the type that it began with. Trees of another structure come back as they are.
    """

    def rounded(old: Any, new: Any) -> Any:
        old_type, new_type = jnp.result_type(old), jnp.result_type(new)
        floats = all(jnp.issubdtype(x, jnp.floating) for x in (old_type, new_type))
        wider = floats and old_type != new_type == jnp.promote_types(old_type, new_type)
        return jnp.asarray(new).astype(old_type) if wider else new

    if jax.tree.structure(expected) != jax.tree.structure(found):  # type: ignore[operator]
        return found
    return jax.tree.map(rounded, expected, found)


def check_loss_terms(terms: Any, what: str) -> None:
    """Raises a `UserError` unless `terms` is a `LossTerms` with float32 scalars."""
    if not isinstance(terms, LossTerms):
        raise UserError(f"{what}: expected LossTerms, found {type(terms).__name__}")
    for name in ("summed", "n_valid"):
        value = getattr(terms, name)
        _check(f"{what}: {name}", chex.assert_shape, value, ())
        _check(f"{what}: {name}", chex.assert_type, value, jnp.float32)


def check_batch(batch: Any, replicas: int, what: str) -> None:
    """Raises a `UserError` unless every leaf is an array with a leading axis of `replicas`."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(batch):
        shape = np.shape(leaf)
        if not shape or shape[0] != replicas:
            raise UserError(
                f"{what}, leaf {jax.tree_util.keystr(path)}: expected a leading replica axis of "
                f"{replicas}, found shape {shape}"
            )


def check_arrays(tree: Any, what: str) -> None:
    """Raises a `UserError` that names the first leaf that is not an array or a number."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        where = f"{what}, leaf {jax.tree_util.keystr(path)}"
        if not isinstance(leaf, jax.Array | np.ndarray | np.generic | int | float | bool):
            raise UserError(
                f"{where}: expected an array, found {type(leaf).__name__}; a state is a pytree of "
                "arrays, without functions or other objects"
            )


def pair(returned: Any, what: str, expected: str) -> tuple[Any, Any]:
    """The two values that a function returned; a `UserError` where it returned something else."""
    if isinstance(returned, tuple) and len(returned) == 2:
        return returned
    found = f"{len(returned)} values" if isinstance(returned, tuple) else type(returned).__name__
    raise UserError(f"{what} returned {found}; a pair {expected} is needed")


def check_keys(values: Mapping[str, Any], required: Sequence[str], what: str) -> None:
    """Raises a `UserError` unless all required keys are among those of `values`."""
    missing = [key for key in required if key not in values]
    if missing:
        raise UserError(f"{what}: expected {missing[0]!r}, found {', '.join(values) or 'none'}")


def _leaf_types(tree: Any) -> dict[str, str]:
    return {
        jax.tree_util.keystr(path): f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}"
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _check(what: str, assertion: Callable, *args: Any) -> None:
    try:
        assertion(*args)
    except AssertionError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{what}: {reason}") from None
