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
    restored = Checkpoints(tmp_path / "c").restore(state(0))
    found = restored.state
    assert (restored.step, restored.host_state, restored.unreadable) == (9, None, {})
    assert restored.ledger == {"step": 9, "rows": [{"a": 0.1}]}
    assert jax.tree.structure(found) == jax.tree.structure(state(0))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(state(9)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_host_state_comes_back_and_may_change_after_saving(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c")
    queue = np.arange(6.0).reshape(2, 3)
    checkpoints.save(1, state(1), {}, {"queue": queue, "count": 3})
    queue[:] = 0
    checkpoints.close()
    found = Checkpoints(tmp_path / "c").restore(state(0)).host_state
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
    assert Checkpoints(tmp_path / "c").restore(state(0)).ledger == {"step": 1}


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def turn_a_bit(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def largest_file(folder):
    return max((f for f in folder.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)


@pytest.fixture
def two_checkpoints(tmp_path):
    """A folder with steps 1 and 5, with random numbers that storage cannot compress."""
    checkpoints = Checkpoints(tmp_path / "c")
    for step in (1, 5):
        checkpoints.save(step, noise(step), {"step": step})
    checkpoints.close()
    return tmp_path / "c"


def noise(seed):
    return {"w": np.random.default_rng(seed).normal(size=5000).astype(np.float32)}


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("ledger/metadata", cut),
        ("ledger/metadata", lambda file: file.unlink()),
        ("state/manifest.ocdbt", turn_a_bit),
        (None, cut),
        (None, turn_a_bit),  # in the middle of the arrays: storage itself does not notice
    ],
)
def test_damaged_checkpoint_is_put_aside_for_the_one_before(two_checkpoints, name, damage):
    newest = two_checkpoints / "5"
    damage(newest / name if name else largest_file(newest))
    checkpoints = Checkpoints(two_checkpoints)
    found = checkpoints.restore(noise(0))
    assert (found.step, found.ledger, list(found.unreadable)) == (1, {"step": 1}, [5])
    np.testing.assert_array_equal(found.state["w"], noise(1)["w"])
    assert (checkpoints.aside / "5" / "ledger").is_dir()
    checkpoints.save(5, noise(7), {"step": 5})
    checkpoints.close()
    assert Checkpoints(two_checkpoints).restore(noise(0)).step == 5


def test_checkpoints_none_of_which_can_be_read_are_an_error_that_names_their_folder(
    two_checkpoints,
):
    for step in ("1", "5"):
        cut(two_checkpoints / step / "ledger" / "metadata")
    with pytest.raises(UserError, match=r"no checkpoint in .*/c can be read \(step 5: .*step 1: "):
        Checkpoints(two_checkpoints).restore(noise(0))
    assert sorted(p.name for p in two_checkpoints.iterdir()) == ["1", "5"]


def test_checkpoint_that_another_process_cannot_read_is_put_aside_here_too(two_checkpoints):
    answers = iter([True, False, False])
    checkpoints = Checkpoints(two_checkpoints, anywhere=lambda here: here or next(answers))
    assert checkpoints.restore(noise(0)).step == 1


def test_checkpoint_of_another_state_is_refused_with_the_array_that_differs(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(1, {"w": np.zeros(3, np.float32)}, {})
    checkpoints.close()
    with pytest.raises(UserError, match=r"\['w'\]: expected float32\[4\], found float32\[3\]"):
        Checkpoints(tmp_path / "c").restore({"w": np.zeros(4, np.float32)})
