"""The submission clock on a fake time source, and the bound on steps in flight."""

import jax
import jax.numpy as jnp
import pytest
from device_work import has_ended, long_device_work
from fake_time import FakeTime

from algoperf_jax.trial import clock as clock_module
from algoperf_jax.trial.clock import InFlight, SubmissionClock


def test_only_the_time_between_start_and_stop_counts():
    now = FakeTime()
    clock = SubmissionClock(now)
    now.advance(5)
    clock.start()
    now.advance(2)
    assert clock.elapsed_seconds == 2
    assert clock.stop() == 2
    now.advance(7)
    assert clock.elapsed_seconds == 2
    clock.start()
    now.advance(1)
    assert clock.stop() == 3


def test_resumed_clock_goes_on_from_what_was_used():
    now = FakeTime()
    clock = SubmissionClock(now, elapsed_seconds=40)
    clock.start()
    now.advance(2)
    assert clock.stop() == 42


def test_stop_charges_for_device_work_under_way():
    now = FakeTime()
    clock = SubmissionClock(now)
    clock.start()
    result = now.device_work(30)(jnp.float32(1))
    assert clock.stop() == 30
    del result


@pytest.mark.parametrize("border", ["start", "stop"])
def test_both_borders_wait_for_arrays_that_nobody_hands_to_the_clock(border):
    held = long_device_work()
    assert not held.is_ready()
    getattr(SubmissionClock(), border)()
    assert has_ended(held)


@pytest.mark.parametrize("border", ["start", "stop"])
def test_both_borders_wait_for_programs_whose_results_were_dropped(border, monkeypatch):
    # An array that the clock does not find stands for a result that is gone: it tells when the
    # program has ended.
    held = long_device_work()
    monkeypatch.setattr(clock_module, "_unfinished_arrays", list)
    assert not held.is_ready()
    getattr(SubmissionClock(), border)()
    assert has_ended(held)


def test_arrays_that_were_given_away_or_deleted_do_not_stop_the_clock():
    deleted = jnp.ones(3)
    deleted.delete()
    given = jnp.ones(3)
    jax.jit(lambda x: x + 1, donate_argnums=0)(given)
    assert deleted.is_deleted() and given.is_deleted()
    SubmissionClock().stop()


def test_processes_agree_on_the_largest_reading():
    now = FakeTime()
    clock = SubmissionClock(now, agreed=lambda seconds: max(seconds, 9.0))
    clock.start()
    now.advance(4)
    assert clock.stop() == 9


def test_at_most_two_steps_are_in_flight():
    in_flight = InFlight()
    finished = [in_flight.add(step, jnp.float32(step)) for step in (1, 2, 3)]
    # Step 2 may be dispatched beside step 1; before step 3 is, step 1 has to have finished.
    assert [[step for step, _ in steps] for steps in finished] == [[], [1], [2]]
    assert [step for step, _ in in_flight.drain()] == [3]
    assert in_flight.drain() == []
