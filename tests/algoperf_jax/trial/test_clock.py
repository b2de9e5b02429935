"""The submission clock on a fake time source, and the bound on steps in flight."""

import jax.numpy as jnp
from fake_time import FakeTime

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


def test_stop_waits_for_the_device():
    now = FakeTime()
    clock = SubmissionClock(now)
    clock.start()
    # The device itself moves the time on: a clock that did not wait would miss it.
    result = now.device_work(30)(jnp.float32(1))
    assert clock.stop(result) == 30


def test_start_waits_for_work_that_is_not_the_submission_s():
    now = FakeTime()
    clock = SubmissionClock(now)
    clock.start(now.device_work(30)(jnp.float32(1)))
    assert clock.stop() == 0


def test_processes_agree_on_the_largest_reading():
    now = FakeTime()
    clock = SubmissionClock(now, latest=lambda seconds: max(seconds, 9.0))
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
