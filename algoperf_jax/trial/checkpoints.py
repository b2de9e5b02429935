"""Checkpoints of a trial: everything that continuing it needs, through orbax.

A checkpoint holds the training state as arrays named by their paths, and the trial's ledger (step,
clocks, position in the data, rows of the records, what `control` has set) as JSON. Writing is
asynchronous and atomic: a kill at any moment leaves the newest complete one. One that was damaged
afterwards is passed over for the one before it.
"""

import shutil
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from algoperf_jax.errors import TrialError, one_line
from algoperf_jax.trial.machine import is_of_the_machine, machine_work

NEWEST_KEPT = 2


CHECKSUM = "arrays_crc32"
"""The ledger's entry for the checksum of all arrays of a checkpoint."""


class Restored(NamedTuple):
    """What a checkpoint held.

    Attributes:
      step: completed steps.
      state: the training state.
      ledger: the dict that was saved with it.
      host_state: what `control` kept, None if that was nothing.
      unreadable: the newer checkpoints that could not be read, with the reason, by their steps.
    """

    step: int
    state: Any
    ledger: dict[str, Any]
    host_state: dict[str, Any] | None
    unreadable: Mapping[int, str]


class Checkpoints:
    """The checkpoints below one folder, the newest two kept.

    Args:
      folder: absolute or relative; made when the first checkpoint is saved.
      anywhere: whether something is so in any process of the job, from whether it is so in this.
    """

    @machine_work("open the checkpoints")
    def __init__(self, folder: Path, anywhere: Callable[[bool], bool] = bool):
        # orbax is heavy to import and needed by trials with a folder alone.
        import orbax.checkpoint as ocp

        self._ocp = ocp
        self._folder = folder.absolute()
        self._anywhere = anywhere
        self._manager = ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(
                max_to_keep=NEWEST_KEPT, enable_async_checkpointing=True
            ),
        )

    @machine_work("write a checkpoint")
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
        arrays = _named_arrays(state)
        copies = jax.tree.map(np.array, dict(host_state or {}))
        checked = {**ledger, CHECKSUM: _checksum(arrays, copies)}
        items = {
            "state": self._ocp.args.StandardSave(arrays),
            "ledger": self._ocp.args.JsonSave(checked),
        }
        if host_state:
            items["host_state"] = self._ocp.args.StandardSave(copies)
        self._manager.save(step, args=self._ocp.args.Composite(**items), force=True)

    def restore(self, like: Any) -> Restored | None:
        """What the newest checkpoint that can be read holds; None where there is no checkpoint.

        Newer ones that cannot be read are moved to a folder beside this one: the trial will come
        to their steps again.

        Args:
          like: a state in whose structure the arrays come back.

        Raises:
          TrialError: there are checkpoints and none can be read, or the arrays are not those of
            `like`, with the first that differs.
          MachineError: reading failed; all checkpoints stay where they are.
        """
        unreadable: dict[int, str] = {}
        for step in sorted(self._manager.all_steps(), reverse=True):
            found = None
            try:
                found = self._read(step)
            except Exception as error:
                if is_of_the_machine(
                    error, in_words=True
                ):  # the checkpoint may be as good as it was
                    with machine_work(f"read the checkpoint {self._folder / str(step)}"):
                        raise
                unreadable[step] = one_line(error)
            if self._anywhere(found is None) or found is None:
                unreadable.setdefault(step, "another process of the job cannot read it")
                continue
            state = _with_arrays(like, found.state, f"checkpoint {self._folder / str(step)}")
            self._set_aside(unreadable)
            return found._replace(state=state, unreadable=unreadable)
        if unreadable:
            faults = "; ".join(f"step {step}: {fault}" for step, fault in unreadable.items())
            raise TrialError(
                f"cannot resume: no checkpoint in {self._folder} can be read ({faults}); put a "
                "copy of one in its place, or begin this trial again with --overwrite"
            )
        return None

    def _read(self, step: int) -> Restored:
        items = {
            "state": self._ocp.args.StandardRestore(),
            "ledger": self._ocp.args.JsonRestore(),
        }
        if (self._folder / str(step) / "host_state").exists():
            items["host_state"] = self._ocp.args.StandardRestore()
        found = self._manager.restore(step, args=self._ocp.args.Composite(**items))
        host_state = found.get("host_state")
        ledger = dict(found.ledger)
        # Storage checks its own structure, not the arrays' bytes.
        if ledger.pop(CHECKSUM) != _checksum(found.state, host_state or {}):
            raise ValueError("the arrays are not those that were saved")
        return Restored(step, found.state, ledger, host_state, {})

    def _set_aside(self, unreadable: Mapping[int, str]) -> None:
        if unreadable and jax.process_index() == 0:
            self.aside.mkdir(exist_ok=True)
            for step in unreadable:
                shutil.rmtree(self.aside / str(step), ignore_errors=True)
                (self._folder / str(step)).rename(self.aside / str(step))
        if unreadable:
            self._anywhere(False)  # the others wait until they are gone
            self._manager.reload()

    @property
    def aside(self) -> Path:
        """Where checkpoints go that cannot be read."""
        return self._folder.with_name("unreadable_checkpoints")

    @machine_work("write a checkpoint")
    def wait(self) -> None:
        """Waits until everything saved is complete on disk."""
        self._manager.wait_until_finished()

    @machine_work("write a checkpoint")
    def close(self) -> None:
        """Waits for the last write and lets go of the folder."""
        self._manager.close()


def newest_step(folder: Path) -> int | None:
    """Steps of the newest complete checkpoint, be it readable or not; None where there is none."""
    entries = folder.iterdir() if folder.is_dir() else ()
    return max((int(entry.name) for entry in entries if entry.name.isdecimal()), default=None)


def _checksum(*trees: Any) -> int:
    """Of the bytes of all arrays, in the order of their paths."""
    checksum = 0
    for leaf in jax.tree.leaves(trees):
        checksum = zlib.crc32(np.asarray(leaf).tobytes(), checksum)
    return checksum


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
            raise TrialError(
                f"{where} does not fit this trial at {name}: expected {_type(a)}, found {_type(b)}"
            )

    def replace(path: Any, leaf: Any) -> Any:
        return arrays[jax.tree_util.keystr(path)] if np.size(leaf) else leaf

    return jax.tree_util.tree_map_with_path(replace, like)


def _type(array: np.ndarray | None) -> str:
    return "nothing" if array is None else f"{array.dtype}{list(array.shape)}"
