"""Kronecker-factored preconditioning of tensors in blocks, the machinery of the Shampoo family.

Tensors are cut into blocks, and blocks of one shape, whichever tensors they come from, are stacked
into one array `[count, *shape]`. Statistics, roots and products are then a few large batched
operations, whatever the number of tensors.
"""

import dataclasses
import itertools
import string
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

Stacks = dict[str, jax.Array]
"""Blocks by shape: `"3x4"` leads to an array `[count, 3, 4]`."""

Factors = dict[str, tuple[jax.Array, ...]]
"""One symmetric matrix per block and axis: `"3x4"` leads to `[count, 3, 3]` and `[count, 4, 4]`."""

EXACT = jax.lax.Precision.HIGHEST
"""For products of statistics: the accelerator's short formats lose their small eigenvalues."""


@dataclasses.dataclass(frozen=True)
class Cut:
    """How one tensor is cut.

    Attributes:
      shape: of the tensor after small neighbouring axes were merged.
      slices: where each block lies in it.
    """

    shape: tuple[int, ...]
    slices: tuple[tuple[slice, ...], ...]


def merged_shape(shape: Sequence[int], limit: int) -> tuple[int, ...]:
    """The shape with axes of size 1 dropped and neighbours merged, left to right, up to `limit`."""
    merged = [1]
    for size in shape:
        if merged[-1] * size <= limit:
            merged[-1] *= size
        else:
            merged.append(size)
    return tuple(size for size in merged if size > 1) or (1,)


def cut(shape: Sequence[int], merge_limit: int, block_size: int) -> Cut:
    """The cut of a tensor into blocks with no axis longer than `block_size`."""
    merged = merged_shape(shape, merge_limit)
    ranges = [
        [slice(start, min(start + block_size, size)) for start in range(0, size, block_size)]
        for size in merged
    ]
    return Cut(merged, tuple(itertools.product(*ranges)))


def gather(tensors: Sequence[jax.Array], cuts: Sequence[Cut]) -> Stacks:
    """The blocks of all tensors, stacked by shape."""
    blocks: dict[str, list[jax.Array]] = {}
    for tensor, where in zip(tensors, cuts, strict=True):
        tensor = tensor.reshape(where.shape)
        for slices in where.slices:
            block = tensor[slices]
            blocks.setdefault("x".join(map(str, block.shape)), []).append(block)
    return {shape: jnp.stack(members) for shape, members in blocks.items()}


def scatter(stacks: Stacks, cuts: Sequence[Cut], like: Sequence[jax.Array]) -> list[jax.Array]:
    """The inverse of `gather`: tensors in the shapes of `like`."""
    members = {shape: iter(stack) for shape, stack in stacks.items()}
    tensors = []
    for tensor, where in zip(like, cuts, strict=True):
        whole = jnp.zeros(where.shape, tensor.dtype)
        for slices in where.slices:
            sizes = [s.stop - s.start for s in slices]
            whole = whole.at[slices].set(next(members["x".join(map(str, sizes))]))
        tensors.append(whole.reshape(tensor.shape))
    return tensors


def grams(stack: jax.Array) -> tuple[jax.Array, ...]:
    """Each block contracted with itself over all axes but one: `[count, n, n]` for each axis."""
    axes = string.ascii_lowercase[: stack.ndim - 1]
    return tuple(
        jnp.einsum(f"z{axes},z{axes.replace(a, 'y')}->z{a}y", stack, stack, precision=EXACT)
        for a in axes
    )


def averaged(old: Factors, stacks: Stacks, b2: float) -> Factors:
    """`b2 old + (1 - b2) grams(stack)`, for every block and axis."""
    return {
        shape: tuple(
            b2 * o + (1.0 - b2) * new for o, new in zip(old[shape], grams(stack), strict=True)
        )
        for shape, stack in stacks.items()
    }


def multiplied(stack: jax.Array, factors: Sequence[jax.Array]) -> jax.Array:
    """Each block multiplied along every axis by that axis's symmetric matrix."""
    axes = string.ascii_lowercase[: stack.ndim - 1]
    for a, factor in zip(axes, factors, strict=True):
        stack = jnp.einsum(
            f"z{axes},z{a}y->z{axes.replace(a, 'y')}", stack, factor, precision=EXACT
        )
    return stack


def map_equal_sizes(function: Callable[[jax.Array, int], jax.Array], factors: Factors) -> Factors:
    """`function(matrices [count, n, n], order)` once for all factors of one size and order.

    The order is the number of axes of a factor's block; the power of an inverse root depends on it.
    """
    groups: dict[tuple[int, int], list[tuple[str, int]]] = {}
    for shape, matrices in factors.items():
        for axis, matrix in enumerate(matrices):
            groups.setdefault((matrix.shape[-1], len(matrices)), []).append((shape, axis))
    results: dict[tuple[str, int], jax.Array] = {}
    for (_, order), places in groups.items():
        parts = [factors[shape][axis] for shape, axis in places]
        ends = list(itertools.accumulate(len(part) for part in parts))[:-1]
        computed = function(jnp.concatenate(parts), order)
        results.update(zip(places, jnp.split(computed, ends), strict=True))
    return {
        shape: tuple(results[shape, axis] for axis in range(len(matrices)))
        for shape, matrices in factors.items()
    }


def recomputed(
    root: Callable[[jax.Array, int], jax.Array], statistics: Factors, old: Factors
) -> Factors:
    """`map_equal_sizes(root, statistics)`, with what is not finite taken from `old`."""
    new = map_equal_sizes(root, statistics)
    return jax.tree.map(lambda n, o: jnp.where(jnp.isfinite(n), n, o), new, old)


def scaled_identities(stacks: Any, scale: float) -> Factors:
    """`scale` times the identity for every block and axis.

    Args:
      stacks: `Stacks`, or their shapes as `jax.ShapeDtypeStruct`.
      scale: the value on the diagonals.
    """

    def identity(count: int, n: int) -> jax.Array:
        return jnp.tile(scale * jnp.eye(n), (count, 1, 1))

    return {
        shape: tuple(identity(stack.shape[0], n) for n in stack.shape[1:])
        for shape, stack in stacks.items()
    }


def block_norms(stack: jax.Array) -> jax.Array:
    """The L2 norm of each block, `[count, 1, ..., 1]`."""
    return jnp.sqrt(jnp.sum(stack**2, axis=range(1, stack.ndim), keepdims=True))
