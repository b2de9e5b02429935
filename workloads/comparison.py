"""Two ways to the same result, measured against each other by `scripts/benchmark.py`."""

from collections.abc import Callable
from typing import Any, Protocol

import jax


class Way(Protocol):
    """One way to the result: a call does all of the work and waits for it.

    It returns a pytree of arrays. A way that knows how much memory it takes beside its arguments
    and its result has an attribute `temporary_bytes`, as `Compiled` does.
    """

    def __call__(self) -> Any: ...


class Comparison(Protocol):
    """What a module that the benchmark's table names has under the name `Comparison`.

    Attributes:
      description: one line on what is computed, of which sizes.
      tolerance: how far the two results may be apart, in units of the largest value of each array;
        0 where they must be equal.
    """

    description: str
    tolerance: float

    def __init__(self, workload: str, scale: str):
        """Makes the inputs for the workload of that name at that scale."""

    def plain(self) -> Way:
        """The way that is there without the kit: the reference's, or a library's."""

    def fast(self) -> Way:
        """The kit's way."""


class Compiled:
    """A function compiled for its arguments.

    Attributes:
      temporary_bytes: memory that it takes beside arguments and results; None where the compiler
        does not say.
    """

    def __init__(self, function: Callable, *arguments: Any):
        """Compiles the function; the arguments stay on the device."""
        self._arguments = jax.device_put(arguments)
        self._compiled = jax.jit(function).lower(*self._arguments).compile()
        memory = self._compiled.memory_analysis()
        self.temporary_bytes = memory.temp_size_in_bytes if memory else None

    def __call__(self) -> Any:
        """Runs it on the arguments and waits for the result."""
        return jax.block_until_ready(self._compiled(*self._arguments))
