"""Memory of large batches that is used again, which spares the kernel handing out fresh pages."""

import math
import mmap
import weakref
from typing import Any

import numpy as np


class ReusedMemory:
    """Makes arrays whose memory comes back for the next one when nothing refers to them any more.

    An array's memory is free when the array and all views of it are gone, those that other
    libraries hold included (JAX, while it transfers or shares it). It is given back to the system
    together with this object.
    """

    def __init__(self) -> None:
        """Holds no memory at first."""
        self._free: list[mmap.mmap] = []

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Returns an array with arbitrary content; all arrays of an object should have one size."""
        size = max(1, math.prod(shape) * np.dtype(dtype).itemsize)
        fitting = [memory for memory in self._free if len(memory) == size]
        if fitting:
            memory = fitting[0]
            self._free.remove(memory)
        else:
            memory = mmap.mmap(-1, size)
        # Of this array everything else is a view: numpy looks no further for the owner of memory.
        owner = np.frombuffer(memory, np.uint8)
        weakref.finalize(owner, self._free.append, memory).atexit = False
        return owner[: math.prod(shape) * np.dtype(dtype).itemsize].view(dtype).reshape(shape)
