"""Typed PRNG keys in a training state, which arrays on the host and checkpoints do not know.

Between programs a state holds the numbers of each key, and its implementation in the structure of
the tree; a submission's own functions see the keys.
"""

import dataclasses
from typing import Any

import jax


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class KeyNumbers:
    """A typed key as plain numbers.

    Attributes:
      data: uint32 `[..., n]`, as `jax.random.key_data` gives it.
      impl: what `jax.random.key_impl` says of it.
    """

    data: jax.Array
    impl: Any = dataclasses.field(metadata={"static": True})


def is_typed_key(leaf: Any) -> bool:
    """Whether a leaf is an array of typed keys."""
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def as_numbers(tree: Any) -> Any:
    """The tree with `KeyNumbers` in place of typed keys."""

    def numbers(leaf: Any) -> Any:
        if not is_typed_key(leaf):
            return leaf
        return KeyNumbers(jax.random.key_data(leaf), jax.random.key_impl(leaf))

    return jax.tree.map(numbers, tree)


def as_keys(tree: Any) -> Any:
    """The tree with typed keys in place of `KeyNumbers`."""

    def keys(node: Any) -> Any:
        if not isinstance(node, KeyNumbers):
            return node
        return jax.random.wrap_key_data(node.data, impl=node.impl)

    return jax.tree.map(keys, tree, is_leaf=lambda node: isinstance(node, KeyNumbers))
