"""TensorFlow as a library for reading and writing files, kept off the accelerators."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any


def import_tensorflow() -> Any:
    """The module `tensorflow` with its GPUs hidden, so that all device memory is JAX's.

    Imported on call: nothing in the kit needs TensorFlow before files are read or written.
    """
    with _quiet_unless_it_fails():
        import tensorflow

        # A caller who uses TensorFlow on GPUs already has decided so; too late to hide them then.
        with contextlib.suppress(RuntimeError):
            tensorflow.config.set_visible_devices([], "GPU")
    return tensorflow


@contextlib.contextmanager
def _quiet_unless_it_fails() -> Iterator[None]:
    """Holds back what native code writes to standard error, and lets it out if an error ends it.

    While it loads, TensorFlow 2.21 tells of missing GPUs whatever its log level is set to.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(kept, held_back.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
