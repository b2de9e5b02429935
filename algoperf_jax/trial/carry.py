"""What `select` carries from step to step, on its way into a checkpoint and back.

A checkpoint holds the arrays by number, and beside them, as JSON, the form that they fill in:
dicts as they are, and `[kind, number of the first array, how many]` for everything else.
"""

import dataclasses
import numbers
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_jax.errors import UserError
from algoperf_jax.selection import Carry
from algoperf_jax.trial.replicas import Replicas

Kind = Literal["dict", "batch", "by replica", "device", "host"]


@dataclasses.dataclass(frozen=True)
class KeptCarry:
    """A carry as a checkpoint keeps it.

    Attributes:
      form: JSON data, what the arrays fill in and the types of those without elements.
      arrays: host arrays with elements, by number.
    """

    form: dict[str, Any]
    arrays: dict[str, np.ndarray]


def check_carry(carry: Any, layout: Replicas, batch: Any) -> None:
    """Raises a `UserError` for the first thing in a carry that a checkpoint cannot keep.

    Args:
      carry: what `select` returned.
      layout: how batches lie on the devices.
      batch: the tree structure of a batch, or None while none was drawn.
    """
    if carry is None:
        return
    if not isinstance(carry, dict):
        raise UserError(f"select: the carry is a {_name(carry)}; None or a dict is needed")
    _check(carry, "carry", layout, batch)


def kept_carry(carry: Carry | None, layout: Replicas, batch: Any) -> KeptCarry:
    """The carry on the host; arrays that lie as batches do are gathered from all processes."""
    arrays: list[np.ndarray] = []

    def keep(value: Any) -> Any:
        kind = _kind(value, layout, batch)
        if kind == "dict":
            return {key: keep(entry) for key, entry in value.items()}
        leaves = jax.tree.leaves(value)
        fetch = layout.fetch_batch if kind in ("batch", "by replica") else np.array
        arrays.extend(fetch(leaf) for leaf in leaves)
        return [kind, len(arrays) - len(leaves), len(leaves)]

    form = None if carry is None else keep(carry)
    # Orbax refuses arrays without elements, whose types say all there is.
    empty = {str(i): [list(a.shape), a.dtype.name] for i, a in enumerate(arrays) if not a.size}
    named = {str(i): a for i, a in enumerate(arrays) if a.size}
    return KeptCarry({"carry": form, "empty": empty}, named)


def restored_carry(kept: KeptCarry, layout: Replicas, batch: Any) -> Carry | None:
    """The carry that `kept_carry` was given, on the devices of this layout."""
    empty = {number: np.zeros(*type_) for number, type_ in kept.form["empty"].items()}
    arrays = {**kept.arrays, **empty}

    def put(array: np.ndarray) -> jax.Array:
        return layout.put_batch(array[layout.local.start : layout.local.stop])

    # Copies, because a hook may change in place what will be called for once more.
    placed: dict[str, Callable] = {"by replica": put, "device": jnp.array, "host": np.array}

    def restore(form: Any) -> Any:
        if isinstance(form, dict):
            return {key: restore(entry) for key, entry in form.items()}
        kind, first, count = form
        leaves = [arrays[str(number)] for number in range(first, first + count)]
        if kind == "batch":
            return jax.tree.unflatten(batch, [put(leaf) for leaf in leaves])
        return placed[kind](leaves[0])

    return None if kept.form["carry"] is None else restore(kept.form["carry"])


def _check(value: Any, path: str, layout: Replicas, batch: Any) -> None:
    kind = _kind(value, layout, batch)
    if kind is None:
        raise UserError(
            f"select: {path} is {_shown(value)}; a number, a NumPy array, a JAX array, a whole "
            "batch as it was drawn, or a dict of these is needed"
        )
    if kind == "dict":
        for key, entry in value.items():
            if not isinstance(key, str):
                raise UserError(f"select: {path} has the key {key!r}; a text is needed")
            _check(entry, f"{path}[{key!r}]", layout, batch)


def _kind(value: Any, layout: Replicas, batch: Any) -> Kind | None:
    """What a carry's entry is; None for what it may not be."""
    if batch is not None and _has_structure(value, batch):
        leaves = jax.tree.leaves(value)
        if all(isinstance(x, jax.Array) and layout.lies_by_replica(x) for x in leaves):
            return "batch"
    if isinstance(value, dict):
        return "dict"
    if isinstance(value, jax.Array):
        if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            return None
        return "by replica" if layout.lies_by_replica(value) else "device"
    if isinstance(value, np.ndarray | np.generic | numbers.Number):
        dtype = np.asarray(value).dtype
        if jnp.issubdtype(dtype, jnp.number) or dtype == np.bool_:
            return "host"
    return None


def _has_structure(value: Any, structure: Any) -> bool:
    try:
        return jax.tree.structure(value) == structure
    except ValueError:  # a dict with keys that cannot be sorted
        return False


def _shown(value: Any) -> str:
    """What was found, in few words."""
    if isinstance(value, jax.Array):
        return "a typed PRNG key (keep its jax.random.key_data)"
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    return "None (leave the entry out)" if value is None else f"a {_name(value)}"


def _name(value: Any) -> str:
    return type(value).__name__
