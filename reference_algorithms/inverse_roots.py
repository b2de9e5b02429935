"""Inverse p-th roots of batches of symmetric positive matrices, float32 on the accelerator."""

import jax
import jax.numpy as jnp

from reference_algorithms.kronecker import EXACT

STEPS = 100
TOLERANCE = 1e-6
GROWTH = 1.2  # the error may grow a little before it falls


def by_eigenvalues(matrices: jax.Array, power: float, ridge: float) -> jax.Array:
    """`A^(-1/power)` by eigenvalues: `Q (l - min(l_min, 0) + ridge)^(-1/power) Q'`.

    Args:
      matrices: `[count, n, n]`, symmetric.
      power: of the root.
      ridge: added to the eigenvalues.
    """
    # Several batched eigh at once can wait for each other for ever on a CPU of few cores (jaxlib
    # 0.10.2, two cores), so there they go one by one.
    values, vectors = jax.lax.platform_dependent(
        matrices, cpu=lambda m: jax.lax.map(jnp.linalg.eigh, m), default=jnp.linalg.eigh
    )
    values = values - jnp.minimum(values[:, :1], 0.0) + ridge
    scaled = vectors * (values ** (-1.0 / power))[:, None, :]
    return jnp.einsum("zij,zkj->zik", scaled, vectors, precision=EXACT)


def by_newton(
    matrices: jax.Array, power: int, relative_ridge: float
) -> tuple[jax.Array, jax.Array]:
    """`(A + relative_ridge l_max I)^(-1/power)` by the coupled Newton iteration.

        M_0 = z A      H_0 = z^(1/p) I      z = (1 + p) / (2 |A|)
        T = ((1 + p) I - M_i) / p           M_(i+1) = T^p M_i           H_(i+1) = H_i T

    M tends to I and H to the root. Products only, which suits accelerators better than eigenvalues.

    Args:
      matrices: `[count, n, n]`, symmetric, not negative.
      power: of the root, p.
      relative_ridge: what is added to the diagonal, in units of the largest eigenvalue.

    Returns:
      The roots and the largest elements of `|M - I|`, `[count]`: what they lack in precision.

    References:
      Iannazzo, On the Newton method for the matrix p-th root, 2006.
    """
    return jax.vmap(lambda matrix: _newton_root(matrix, power, relative_ridge))(matrices)


def _newton_root(
    matrix: jax.Array, power: int, relative_ridge: float
) -> tuple[jax.Array, jax.Array]:
    identity = jnp.eye(len(matrix))
    ridge = relative_ridge * jnp.maximum(_largest_eigenvalue(matrix), 1e-6)
    damped = matrix + ridge * identity
    scale = (1 + power) / (2 * jnp.linalg.norm(damped))

    def error(m: jax.Array) -> jax.Array:
        return jnp.max(jnp.abs(m - identity))

    def unfinished(carry: tuple) -> jax.Array:
        i, _, _, now, before = carry
        return (i < STEPS) & (now > TOLERANCE) & (now < GROWTH * before)

    def iterate(carry: tuple) -> tuple:
        i, m, h, now, _ = carry
        t = ((1 + power) * identity - m) / power
        m = jnp.matmul(_matrix_power(t, power), m, precision=EXACT)
        return i + 1, m, jnp.matmul(h, t, precision=EXACT), error(m), now

    m = scale * damped
    first = (0, m, scale ** (1 / power) * identity, error(m), jnp.inf)
    _, _, root, remaining, _ = jax.lax.while_loop(unfinished, iterate, first)
    return root, remaining


def _matrix_power(matrix: jax.Array, power: int) -> jax.Array:
    """`matrix^power` by repeated squaring."""
    result = None
    while power:
        if power % 2:
            result = matrix if result is None else jnp.matmul(result, matrix, precision=EXACT)
        power //= 2
        if power:
            matrix = jnp.matmul(matrix, matrix, precision=EXACT)
    return result


def _largest_eigenvalue(matrix: jax.Array, steps: int = 20) -> jax.Array:
    """Of a symmetric matrix that is not negative, by power iteration, from below."""
    # Random, so that it is not orthogonal to the eigenvector; seeded, so that runs repeat.
    vector = jax.random.normal(jax.random.PRNGKey(0), (len(matrix),))

    def iterate(_: int, v: jax.Array) -> jax.Array:
        v = jnp.matmul(matrix, v, precision=EXACT)
        return v / (jnp.linalg.norm(v) + 1e-30)

    vector = jax.lax.fori_loop(0, steps, iterate, vector / jnp.linalg.norm(vector))
    return vector @ jnp.matmul(matrix, vector, precision=EXACT)
