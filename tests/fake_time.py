"""A time source that tests move on by hand, or from within device programs."""

import jax
import numpy as np


class FakeTime:
    """Called like `time.perf_counter`; stands still until it is told otherwise."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds

    def advance(self, seconds):
        self.seconds += seconds

    def device_work(self, seconds):
        """A compiled identity whose execution, not its dispatch, takes so many seconds."""

        def work(x):
            self.advance(seconds)
            return np.asarray(x)

        return jax.jit(lambda x: jax.pure_callback(work, jax.ShapeDtypeStruct(x.shape, x.dtype), x))
