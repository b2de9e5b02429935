"""TensorFlow as a library for reading and writing files, kept off the accelerators."""

from typing import Any


def import_tensorflow() -> Any:
    """The module `tensorflow` with its GPUs hidden, so that all device memory is JAX's.

    Imported on call: nothing in the kit needs TensorFlow before files are read or written.
    """
    import tensorflow

    tensorflow.config.set_visible_devices([], "GPU")
    return tensorflow
