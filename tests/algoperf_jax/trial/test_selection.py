"""Data selection: what a hook is handed, what it may carry, and what comes back after a break."""

import json
from typing import NamedTuple

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import pytest
from fake_time import FakeTime
from interruptions import Interrupt, InterruptIn
from toy_runs import ECHOING_SETTINGS, each_batch_twice, run, sgd
from toy_workload import TrainBatches

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import UserError
from algoperf_jax.selection import Moment
from algoperf_jax.trial import training
from algoperf_jax.trial.carry import KeptCarry
from algoperf_jax.trial.clock import SubmissionClock
from algoperf_jax.trial.replicas import Replicas
from algoperf_jax.trial.selection import Selection
from algoperf_jax.trial.stream import DeviceStream

LAYOUT = Replicas(4, tuple(jax.devices()[:2]))
START = Moment(0, 0.0)


class Pair(NamedTuple):
    x: jax.Array
    y: jax.Array


class Pairs(TrainBatches):
    """Batches that are no dicts."""

    def __next__(self):
        batch = super().__next__()
        return Pair(batch["x"], batch["y"])


def selection(select, layout=LAYOUT, batches=TrainBatches):
    stream = DeviceStream(batches(BatchShare.whole(32, 4), seed=1), layout)
    return Selection(select, stream, layout)


def carrying(carry):
    """A hook that carries always the same."""
    return lambda batches, _, moment: (next(batches), carry)


def through_a_checkpoint(select, layout_after=LAYOUT, batches=TrainBatches):
    """What a hook is handed after a break, and what it had carried."""
    before, carries = selection(select, batches=batches), []

    def noting(batches, carry, moment):
        carries.append(carry)
        return select(batches, carry, moment)

    before.batch(START)
    kept = before.kept()
    form = json.loads(json.dumps(kept.form))
    after = selection(noting, layout_after, batches)
    after.restore(before.position, KeptCarry(form, kept.arrays))
    after.batch(START)
    return carries[0]


def interrupt(select, folder, after, **settings):
    """Runs a trial that is broken off after so many steps."""

    with pytest.raises(Interrupt):
        run(
            submission=sgd(select=select),
            folder=folder,
            reporter=InterruptIn(after + 1),
            **settings,
        )


def test_trial_that_echoes_data_may_be_broken_off_between_the_two_uses_of_a_batch(tmp_path):
    echoing = sgd(select=each_batch_twice)
    interrupt(each_batch_twice, tmp_path / "t", after=5, **ECHOING_SETTINGS)
    resumed = run(submission=echoing, folder=tmp_path / "t", **ECHOING_SETTINGS)
    unbroken = run(submission=echoing, **ECHOING_SETTINGS)
    assert resumed.ledger.preemption_count == 1
    jax.tree.map(np.testing.assert_array_equal, resumed.state, unbroken.state)


def test_hook_is_handed_a_plain_iterator():
    seen = []

    def select(batches, carry, moment):
        seen.append(batches)
        return next(batches), carry

    selection(select).batch(START)
    (batches,) = seen
    assert iter(batches) is batches
    assert not [name for name in ("restore", "prefetch", "state") if hasattr(batches, name)]


def test_moment_says_how_many_steps_are_done_and_how_much_time_is_used(tmp_path):
    now, seen = FakeTime(), []

    def select(batches, carry, moment):
        now.advance(50.0)
        seen.append(moment)
        return next(batches), carry

    run(submission=sgd(select=select), now=now, max_steps=3)
    # The toy workload's budget is 1,000 s.
    assert seen == [Moment(0, 0.0), Moment(1, 0.05), Moment(2, 0.1)]


def test_numbers_and_arrays_come_back_as_numpy_and_jax_arrays():
    carry = {
        "n": 2**40,
        "x": 0.1,
        "host": np.arange(3, dtype=np.int8),
        "empty": np.zeros((0, 2), np.float16),
        "inner": {"device": jnp.arange(4.0), "none left": {}},
    }
    found = through_a_checkpoint(carrying(carry))
    assert (found["n"], found["x"], found["inner"]["none left"]) == (2**40, 0.1, {})
    assert (found["host"].tolist(), found["host"].dtype) == ([0, 1, 2], np.int8)
    assert (found["empty"].shape, found["empty"].dtype) == ((0, 2), np.float16)
    assert isinstance(found["inner"]["device"], jax.Array)
    assert found["inner"]["device"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("batches", [TrainBatches, Pairs])
@pytest.mark.parametrize("devices", [1, 2, 4])
def test_batches_come_back_on_the_devices_that_there_are(batches, devices):
    layout = Replicas(4, tuple(jax.devices()[:devices]))
    found = through_a_checkpoint(each_batch_twice, layout, batches)["again"]
    host = next(batches(BatchShare.whole(32, 4), seed=1))
    expected = layout.put_batch(host)
    assert jax.tree.structure(found) == jax.tree.structure(host)
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert x.sharding == y.sharding
        np.testing.assert_array_equal(x, y)


def test_part_of_a_batch_comes_back_by_replica():
    def select(batches, carry, moment):
        batch = next(batches)
        return batch, {"half": batch["x"][:, :, :4]}

    layout = Replicas(4, tuple(jax.devices()[:1]))
    host = next(TrainBatches(BatchShare.whole(32, 4), seed=1))["x"]
    found = through_a_checkpoint(select, layout)["half"]
    assert layout.lies_by_replica(found)
    np.testing.assert_array_equal(found[0], host[:, :4])


def test_what_changes_in_place_is_kept_as_it_was():
    counter = np.zeros(1)
    running = selection(carrying({"n": counter}))
    running.batch(START)
    kept = running.kept()
    counter += 1
    running.restore(running.position, kept)
    assert running.kept().arrays["0"].tolist() == [0]


@pytest.mark.parametrize(
    ("carry", "message"),
    [
        ([1], "the carry is a list; None or a dict"),
        ({"a": {"b": [1]}}, r"carry\['a'\]\['b'\] is a list; a number, a NumPy array"),
        ({"a": "text"}, r"carry\['a'\] is a str"),
        ({"a": None}, r"carry\['a'\] is None \(leave the entry out\)"),
        ({"a": np.array(["x"])}, r"carry\['a'\] is an array of <U1"),
        ({"a": {1: 0, "b": 0}}, r"carry\['a'\] has the key 1; a text"),
        ({"key": jax.random.key(0)}, r"carry\['key'\] is a typed PRNG key"),
        ({"f": lambda: 0}, r"carry\['f'\] is a function"),
    ],
)
def test_what_a_checkpoint_cannot_keep_is_refused_with_its_path(carry, message):
    with pytest.raises(UserError, match=message):
        selection(carrying(carry)).batch(START)


def test_hook_that_returns_a_batch_alone_is_told_what_is_needed():
    with pytest.raises(UserError, match=r"returned dict; a pair \(batch, carry\)"):
        selection(lambda batches, carry, moment: next(batches)).batch(START)


def test_resumed_trial_compiles_for_the_batches_that_select_makes(tmp_path, monkeypatch):
    running, compiled = [], []

    class Noting(SubmissionClock):
        def start(self, *work):
            super().start(*work)
            running.append(True)

        def stop(self, *work):
            running.clear()
            return super().stop(*work)

    def half(batches, carry, moment):
        return jax.tree.map(lambda x: x[:, :, ::2], next(batches)), carry

    def note(event, duration, **_):
        if running and event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    monkeypatch.setattr(training, "SubmissionClock", Noting)
    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        settings = {"folder": tmp_path / "t", "max_steps": 4, "eval_every_steps": 1}
        interrupt(half, after=2, **settings)
        assert compiled
        running.clear()
        compiled.clear()
        assert run(submission=sgd(select=half), **settings).ledger.step == 4
        assert not compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(note)
