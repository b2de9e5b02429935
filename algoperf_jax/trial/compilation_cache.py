"""JAX's persistent compilation cache, under the trial's own rule rather than the environment's.

Compilation is on the clock, so a cache on disk, which an environment variable can set, would take
it off for whoever runs a trial a second time.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache.compilation_cache import reset_cache


@contextlib.contextmanager
def compilation_cache(folder: Path | None) -> Iterator[None]:
    """Compiles with the cache in that folder, None for without any; the caller's comes back after.

    Everything is kept there, however small it is and however soon it was compiled.
    """
    chosen: dict[str, Any] = {
        "jax_enable_compilation_cache": folder is not None,
        # Without a folder also the caches of XLA's own that JAX puts below it are off.
        "jax_compilation_cache_dir": None if folder is None else str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in chosen}
    try:
        _apply(chosen)
        yield
    finally:
        _apply(before)


def _apply(values: dict[str, Any]) -> None:
    for name, value in values.items():
        jax.config.update(name, value)
    reset_cache()  # JAX decides once whether and where, at the first compilation
