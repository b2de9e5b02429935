"""Checkpoints of a trial: everything that continuing it needs, through orbax.

A checkpoint holds the training state as arrays named by their paths, and the trial's ledger (step,
clocks, position in the data, rows of the records, what `control` has set) as JSON. Writing is
asynchronous and atomic: a kill at any moment leaves the newest complete one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from algoperf_jax.errors import UserError

NEWEST_KEPT = 2


class Checkpoints:
    """The checkpoints below one folder, the newest two kept.

    Args:
      folder: absolute or relative; made when the first checkpoint is saved.
    """

    def __init__(self, folder: Path):
        # orbax is heavy to import and needed by trials with a folder alone.
        import orbax.checkpoint as ocp

        self._ocp = ocp
        self._folder = folder.absolute()
        self._manager = ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(
                max_to_keep=NEWEST_KEPT, enable_async_checkpointing=True
            ),
        )

    def save(
        self,
        step: int,
        state: Any,
        ledger: Mapping[str, Any],
        host_state: Mapping[str, Any] | None = None,
    ) -> None:
        """Starts writing; returns once the arrays may change again.

        Args:
          step: completed steps; also the checkpoint's name.
          state: a pytree of host arrays that own their memory.
          ledger: a dict that JSON can hold.
          host_state: arrays with elements, or numbers, in dicts; what the submission's hooks keep.
        """
        items = {
            "state": self._ocp.args.StandardSave(_named_arrays(state)),
            "ledger": self._ocp.args.JsonSave(dict(ledger)),
        }
        if host_state:
            copies = jax.tree.map(np.array, dict(host_state))
            items["host_state"] = self._ocp.args.StandardSave(copies)
        self._manager.save(step, args=self._ocp.args.Composite(**items), force=True)

    def restore(self, like: Any) -> tuple[Any, dict[str, Any], dict[str, Any] | None] | None:
        """The newest state, in the structure of `like`, ledger and host state; or None.

        Raises:
          UserError: the checkpoint's arrays are not those of `like`, with the first that differs.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        folder = self._folder / str(step)
        items = {
            "state": self._ocp.args.StandardRestore(),
            "ledger": self._ocp.args.JsonRestore(),
        }
        if (folder / "host_state").exists():
            items["host_state"] = self._ocp.args.StandardRestore()
        found = self._manager.restore(step, args=self._ocp.args.Composite(**items))
        state = _with_arrays(like, found.state, f"checkpoint {folder}")
        return state, found.ledger, found.get("host_state")

    def wait(self) -> None:
        """Waits until everything saved is complete on disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for the last write and lets go of the folder."""
        self._manager.close()


def _named_arrays(tree: Any) -> dict[str, np.ndarray]:
    """Arrays by path; those without elements are left out, as their shape says all there is."""
    return {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if np.size(leaf)
    }


def _with_arrays(like: Any, arrays: Mapping[str, np.ndarray], where: str) -> Any:
    expected = _named_arrays(like)
    for name in expected.keys() | arrays.keys():
        a, b = expected.get(name), arrays.get(name)
        if a is None or b is None or a.shape != b.shape or a.dtype != b.dtype:
            raise UserError(
                f"{where} does not fit this trial at {name}: expected {_type(a)}, found {_type(b)}"
            )

    def replace(path: Any, leaf: Any) -> Any:
        return arrays[jax.tree_util.keystr(path)] if np.size(leaf) else leaf

    return jax.tree_util.tree_map_with_path(replace, like)


def _type(array: np.ndarray | None) -> str:
    return "nothing" if array is None else f"{array.dtype}{list(array.shape)}"
