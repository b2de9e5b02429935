"""Float32 numbers whose exponents never overflow, for products of many probabilities."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

_LN2 = 0.6931471805599453
_LOWEST = -127  # an exponent of float32 whose bits are those of 0
_EXPONENT_OF_ZERO = -(2**30)


class Wide(NamedTuple):
    """Numbers `mantissa * 2**exponent` that are not negative.

    They are like logarithms in that they do not underflow, down to about e^-7e8. They keep 24 bits
    whatever their size, and take neither exponentials nor logarithms to add.

    Attributes:
      mantissa: float32; at least about 1, so that the larger exponent of two numbers is that of
        one which counts in their sum; 0 of the number 0. Sums and products grow: see `normalised`.
      exponent: int32; of the number 0 so low that it counts in no sum.
    """

    mantissa: jax.Array
    exponent: jax.Array


def one() -> Wide:
    """The number 1, a scalar."""
    return Wide(jnp.float32(1), jnp.int32(0))


def zero() -> Wide:
    """The number 0, a scalar."""
    return Wide(jnp.float32(0), jnp.int32(_EXPONENT_OF_ZERO))


def exp(logarithm: jax.Array) -> Wide:
    """`e**logarithm` of float32 numbers, normalised."""
    exponent = jnp.floor(logarithm * (1 / _LN2))
    return Wide(jnp.exp(logarithm - exponent * _LN2), exponent.astype(jnp.int32))


def log(x: Wide) -> jax.Array:
    """The logarithm, float32."""
    return jnp.log(x.mantissa) + x.exponent * _LN2


def add(x: Wide, y: Wide) -> Wide:
    """The sum, not normalised."""
    larger = x.exponent - y.exponent
    of_x, of_y = _power_of_2(jnp.minimum(larger, 0)), _power_of_2(jnp.minimum(-larger, 0))
    return Wide(
        x.mantissa * of_x + y.mantissa * of_y,
        jnp.maximum(x.exponent, y.exponent),
    )


def multiply(x: Wide, y: Wide) -> Wide:
    """The product, not normalised."""
    return Wide(x.mantissa * y.mantissa, x.exponent + y.exponent)


def normalised(x: Wide) -> Wide:
    """The same numbers with mantissas in [1, 2), or 0, or NaN."""
    # A product, unlike bits put together anew, leaves NaN what it is.
    shift = (jax.lax.bitcast_convert_type(x.mantissa, jnp.int32) >> 23) - 127
    return Wide(x.mantissa * _power_of_2(-shift), x.exponent + shift)


def ratio(x: Wide, y: Wide) -> jax.Array:
    """`x / y` as float32, of numbers of which x is not much larger; tiny ones become 0."""
    return x.mantissa / y.mantissa * _power_of_2(x.exponent - y.exponent)


def where(condition: jax.Array, x: Wide, y: Wide) -> Wide:
    """Element by element, x where the condition holds and y elsewhere."""
    return Wide(
        jnp.where(condition, x.mantissa, y.mantissa), jnp.where(condition, x.exponent, y.exponent)
    )


def _power_of_2(exponent: jax.Array) -> jax.Array:
    """`2**exponent`, float32, of exponents up to 127; 0 of those that are too low."""
    bits = (jnp.maximum(exponent, _LOWEST) + 127) << 23
    return jax.lax.bitcast_convert_type(bits, jnp.float32)
