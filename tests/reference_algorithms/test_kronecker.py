"""Blocks, their factors and the inverse roots of these."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reference_algorithms import inverse_roots, kronecker


def random(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def matrices_with_eigenvalues(*spectra):
    """Symmetric float64 matrices with these eigenvalues and random eigenvectors."""
    found = []
    for seed, values in enumerate(spectra):
        q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values),) * 2))
        found.append(q * values @ q.T)
    return np.stack(found)


@pytest.mark.parametrize(
    ("shape", "limit", "expected"),
    [
        ((3, 3, 64, 128), 1024, (576, 128)),
        ((1, 1, 64, 2048), 1024, (64, 2048)),
        ((1, 1), 8, (1,)),
        ((), 8, (1,)),
        ((2, 3), 8, (6,)),
        ((2, 3), 5, (2, 3)),
        ((16, 2, 2), 8, (16, 4)),
    ],
)
def test_small_neighbouring_axes_are_merged_from_the_left(shape, limit, expected):
    assert kronecker.merged_shape(shape, limit) == expected


def test_scatter_is_the_inverse_of_gather():
    tensors = [random(0, 5, 7), random(1, 3), random(2, 2, 4, 3), random(3)]
    cuts = [kronecker.cut(x.shape, merge_limit=4, block_size=3) for x in tensors]
    stacks = kronecker.gather([jnp.asarray(x) for x in tensors], cuts)
    assert stacks["3x3"].shape[1:] == (3, 3)
    assert all(max(stack.shape[1:]) <= 3 for stack in stacks.values())
    restored = kronecker.scatter(stacks, cuts, tensors)
    jax.tree.map(np.testing.assert_array_equal, restored, tensors)


def test_factors_of_a_block_are_its_products_with_itself():
    stack = random(0, 2, 3, 4, 5)
    for axis, found in enumerate(kronecker.grams(jnp.asarray(stack))):
        for block, matrix in zip(stack, found, strict=True):
            flat = np.moveaxis(block, axis, 0).reshape(block.shape[axis], -1)
            np.testing.assert_allclose(matrix, flat @ flat.T, rtol=1e-5, atol=1e-5)


def test_a_block_is_multiplied_along_each_of_its_axes():
    stack = random(0, 2, 3, 4)
    left, right = random(1, 2, 3, 3), random(2, 2, 4, 4)
    left, right = left + left.swapaxes(1, 2), right + right.swapaxes(1, 2)
    found = kronecker.multiplied(jnp.asarray(stack), (left, right))
    np.testing.assert_allclose(found, left @ stack @ right, rtol=1e-5, atol=1e-5)


def test_factors_of_one_size_and_order_are_treated_in_one_batch():
    factors = {
        "3x4": (random(0, 2, 3, 3), random(1, 2, 4, 4)),
        "4x4": (random(2, 1, 4, 4), random(3, 1, 4, 4)),
        "4": (random(4, 3, 4, 4),),
    }
    batches = []

    def function(matrices, order):
        batches.append((matrices.shape, order))
        return order * matrices

    found = kronecker.map_equal_sizes(function, factors)
    assert sorted(batches) == [((2, 3, 3), 2), ((3, 4, 4), 1), ((4, 4, 4), 2)]
    expected = {shape: tuple(len(m) * x for x in m) for shape, m in factors.items()}
    jax.tree.map(np.testing.assert_array_equal, found, expected)


SPECTRA = ([4.0, 1.0, 0.5, 0.1], [1e-2, 1e-3, 1e-4, 2e-5], [1.0, 1.0, 1.0, 1.0])


@pytest.mark.parametrize("power", [3, 4])
def test_newton_finds_the_inverse_root(power):
    matrices = matrices_with_eigenvalues(*SPECTRA)
    ridge = 1e-6 * np.max(np.linalg.eigvalsh(matrices), axis=1)
    values, vectors = np.linalg.eigh(matrices + ridge[:, None, None] * np.eye(4))
    expected = vectors * values[:, None, :] ** (-1 / power) @ vectors.swapaxes(1, 2)
    found, error = inverse_roots.by_newton(jnp.float32(matrices), power, 1e-6)
    assert np.all(error < 1e-4)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_newton_reports_what_it_cannot_do():
    matrices = np.stack([np.eye(3), np.full((3, 3), np.nan)]).astype(np.float32)
    _, error = inverse_roots.by_newton(matrices, 4, 1e-6)
    assert error[0] < 1e-5
    assert not error[1] < 0.1


@pytest.mark.parametrize("power", [2, 3, 4])
def test_eigenvalues_give_the_inverse_root(power):
    matrices = matrices_with_eigenvalues(*SPECTRA)
    values, vectors = np.linalg.eigh(matrices + 1e-8 * np.eye(4))
    expected = vectors * values[:, None, :] ** (-1 / power) @ vectors.swapaxes(1, 2)
    found = inverse_roots.by_eigenvalues(jnp.float32(matrices), power, 1e-8)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_a_negative_eigenvalue_is_lifted_to_the_ridge():
    matrix = jnp.diag(jnp.float32([1.0, -1e-3]))[None]
    found = inverse_roots.by_eigenvalues(matrix, 2, 1e-2)
    np.testing.assert_allclose(jnp.diag(found[0])[1], 10.0, rtol=1e-4)
