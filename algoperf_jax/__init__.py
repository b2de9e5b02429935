"""A JAX-native, functional kit for the AlgoPerf training-algorithms benchmark.

    Workload  x  Submission  --timed training under rules-->  record  -->  score

`__init__.pyi` beside this file says which names there are and where they live. They are imported on
first use, so that command lines answer before JAX is loaded.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
