"""What numbers the objective's fields may have.

A value out of range trains all the same: a negative clipping of gradients is gradient ascent.
"""

import math
import numbers
from typing import Any, NamedTuple

import jax
import numpy as np

from algoperf_jax.errors import UserError


class Range(NamedTuple):
    """Numbers that a field of the objective may have.

    Attributes:
      low, high: its ends.
      has_low, has_high: whether they belong to it.
      optional: whether the field may be None.
    """

    low: float
    high: float
    has_low: bool
    has_high: bool
    optional: bool

    def __str__(self) -> str:
        low = f"at least {self.low:g}" if self.has_low else f"above {self.low:g}"
        if math.isinf(self.high):
            return f"a number {low}"
        return f"a number {low} and {'at most' if self.has_high else 'below'} {self.high:g}"

    def has(self, value: Any) -> Any:
        """Whether a number, or an array of them, is in the range; NaN is not."""
        above = value >= self.low if self.has_low else value > self.low
        return above & (value <= self.high if self.has_high else value < self.high)


OBJECTIVE_RANGES = {
    "dropout_rate": Range(0.0, 1.0, True, False, optional=True),
    "label_smoothing": Range(0.0, 1.0, True, False, optional=False),
    "grad_clip": Range(0.0, math.inf, False, True, optional=True),
}


def check_objective_value(name: str, value: Any) -> None:
    """Raises a `UserError` where a field of the objective is no number of its range.

    A traced array is not looked at.
    """
    allowed = OBJECTIVE_RANGES[name]
    if isinstance(value, jax.core.Tracer) or (value is None and allowed.optional):
        return
    is_number = isinstance(value, numbers.Real | np.ndarray | jax.Array) and not isinstance(
        value, bool
    )
    if not is_number or np.size(value) != 1 or not bool(allowed.has(np.float64(value))):
        nothing = ", or None" if allowed.optional else ""
        raise UserError(f"the objective's {name} is {allowed}{nothing}; it is {value!r}")
