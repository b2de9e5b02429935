"""The loop of a suite, on an engine that only pretends."""

from pathlib import Path

import pytest

from algoperf_jax.suite.scheduler import MOST_LOSSES, run
from algoperf_jax.suite.supervision import Ended, Job


def job(name, workload="toy"):
    return Job(name, workload, ("x.py",), Path(name), Path(f"{name}.log"), 10.0, 1.0)


class PretendEngine:
    """Ends each job at the next look; `fates` gives the statuses of a job's attempts."""

    slots = 1

    def __init__(self, fates=None):
        self.fates = fates or {}
        self.running, self.begun, self.stopped = [], [], False

    @property
    def free(self):
        return self.slots - len(self.running)

    def start(self, job):
        self.running.append(job)
        self.begun.append(job.label)

    def poll(self):
        ended, self.running = self.running, []
        return [Ended(j, self._fate(j), "why", 1.0) for j in ended]

    def _fate(self, job):
        left = self.fates.get(job.label)
        return left.pop(0) if left else "reached"

    def stop(self):
        self.stopped = True


class Notes:
    def __init__(self):
        self.skips = []

    def started(self, job): ...

    def ended(self, ended): ...

    def refresh(self, running, slots): ...

    def skipped(self, job, reason):
        self.skips.append((job.label, reason))


def never(seconds):
    """In place of sleeping."""


def test_a_failed_trial_costs_that_trial_alone():
    engine = PretendEngine({"b": ["failed"]})
    ends = run([job("a"), job("b"), job("c")], engine, Notes(), never)
    assert [end.status for end in ends] == ["reached", "failed", "reached"]


def test_a_job_lost_with_its_machine_is_begun_again_first():
    engine = PretendEngine({"a": ["lost"]})
    ends = run([job("a"), job("b")], engine, Notes(), never)
    assert engine.begun == ["a", "a", "b"]
    assert [end.status for end in ends] == ["reached", "reached"]


def test_a_job_that_is_lost_again_and_again_is_given_up():
    engine = PretendEngine({"a": ["lost"] * 100})
    ends = run([job("a")], engine, Notes(), never)
    assert len(engine.begun) == MOST_LOSSES + 1
    assert ends[0].status == "lost"


def test_after_a_refusal_the_others_of_that_workload_are_left_out():
    engine, notes = PretendEngine({"a": ["refused"]}), Notes()
    run([job("a", "ogbg"), job("b", "wmt"), job("c", "ogbg")], engine, notes, never)
    assert engine.begun == ["a", "b"]
    assert notes.skips == [("c", "a was refused")]


def test_a_blocked_trial_costs_that_trial_alone():
    engine, notes = PretendEngine({"a": ["blocked"]}), Notes()
    ends = run([job("a", "ogbg"), job("b", "ogbg")], engine, notes, never)
    assert [end.status for end in ends] == ["blocked", "reached"]
    assert notes.skips == []


def test_an_interrupt_stops_the_engine_and_is_passed_on():
    def interrupt(seconds):
        raise KeyboardInterrupt

    engine = PretendEngine()
    with pytest.raises(KeyboardInterrupt):
        run([job("a"), job("b")], engine, Notes(), interrupt)
    assert engine.stopped
