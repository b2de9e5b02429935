"""Numbers with wide exponents against float64 and logarithms."""

import jax.numpy as jnp
import numpy as np

from workloads.librispeech import wide_numbers as wide


def test_sums_and_products_are_those_of_logarithms():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1e4, 0, 1000), rng.uniform(-1e4, 0, 1000)
    y[::2] = x[::2] + rng.uniform(-20, 20, 500)  # close enough for both to count
    a, b = wide.exp(jnp.float32(x)), wide.exp(jnp.float32(y))
    np.testing.assert_allclose(wide.log(wide.multiply(a, b)), x + y, rtol=1e-6)
    np.testing.assert_allclose(wide.log(wide.add(a, b)), np.logaddexp(x, y), rtol=1e-6)


def test_ratio_keeps_the_digits_of_tiny_numbers():
    small = wide.one()
    for _ in range(40):
        small = wide.normalised(wide.multiply(small, wide.exp(jnp.float32(-100.0))))
    np.testing.assert_allclose(wide.log(small), -4000, rtol=1e-6)
    smaller = wide.multiply(small, wide.exp(jnp.float32(-2.0)))
    np.testing.assert_allclose(wide.ratio(smaller, small), np.exp(-2), rtol=1e-6)
    assert wide.ratio(wide.exp(jnp.float32(-1e5)), small) == 0


def test_zero_counts_in_no_sum_and_in_no_ratio():
    x = wide.exp(jnp.float32(-1e5))
    assert wide.log(wide.add(x, wide.zero())) == wide.log(x)
    nothing = wide.normalised(wide.add(wide.zero(), wide.multiply(wide.zero(), x)))
    assert wide.log(wide.add(x, nothing)) == wide.log(x)
    assert wide.ratio(nothing, x) == 0


def test_normalised_numbers_are_the_same_and_may_be_added_again():
    x = wide.exp(jnp.float32([-3.0, 0.0, 5.0]))
    sums = x
    for _ in range(5):
        sums = wide.add(wide.multiply(sums, sums), sums)
    normal = wide.normalised(sums)
    np.testing.assert_allclose(wide.log(normal), wide.log(sums), rtol=1e-6)
    assert np.all((normal.mantissa >= 1) & (normal.mantissa < 2))


def test_nan_stays_nan():
    x = wide.normalised(wide.exp(jnp.float32(jnp.nan)))
    assert np.isnan(wide.log(wide.add(wide.one(), x)))
