"""Checkpoints give back what was saved, in any pytree, and say where they do not fit."""

from typing import NamedTuple

import jax
import numpy as np
import optax
import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.trial.checkpoints import NEWEST_KEPT, Checkpoints


class State(NamedTuple):
    moments: dict
    empty: np.ndarray
    nothing: tuple


def state(value):
    adam = optax.adam(optax.constant_schedule(0.1)).init({"w": np.full((2, 3), value, np.float32)})
    return State({"adam": adam, "n": np.int32(value)}, np.zeros((0, 4), np.float32), ())


def test_newest_state_and_ledger_come_back(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c")
    for step in (1, 5, 9):
        checkpoints.save(step, state(step), {"step": step, "rows": [{"a": 0.1}]})
    checkpoints.close()
    found, ledger, host_state = Checkpoints(tmp_path / "c").restore(state(0))
    assert host_state is None
    assert ledger == {"step": 9, "rows": [{"a": 0.1}]}
    assert jax.tree.structure(found) == jax.tree.structure(state(0))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(state(9)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_host_state_comes_back_and_may_change_after_saving(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c")
    queue = np.arange(6.0).reshape(2, 3)
    checkpoints.save(1, state(1), {}, {"queue": queue, "count": 3})
    queue[:] = 0
    checkpoints.close()
    _, _, found = Checkpoints(tmp_path / "c").restore(state(0))
    np.testing.assert_array_equal(found["queue"], np.arange(6.0).reshape(2, 3))
    assert found["count"] == 3


def test_only_the_newest_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c")
    for step in (1, 5, 9):
        checkpoints.save(step, state(step), {})
    checkpoints.close()
    assert sorted(p.name for p in (tmp_path / "c").iterdir()) == ["5", "9"]
    assert NEWEST_KEPT == 2


def test_there_may_be_none(tmp_path):
    assert Checkpoints(tmp_path / "c").restore(state(0)) is None


def test_half_written_checkpoint_is_passed_over(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(1, state(1), {"step": 1})
    checkpoints.close()
    (tmp_path / "c" / "2.orbax-checkpoint-tmp").mkdir()
    assert Checkpoints(tmp_path / "c").restore(state(0))[1] == {"step": 1}


def test_checkpoint_of_another_state_is_refused_with_the_array_that_differs(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(1, {"w": np.zeros(3, np.float32)}, {})
    checkpoints.close()
    with pytest.raises(UserError, match=r"\['w'\]: expected float32\[4\], found float32\[3\]"):
        Checkpoints(tmp_path / "c").restore({"w": np.zeros(4, np.float32)})
