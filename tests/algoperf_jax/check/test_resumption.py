"""Trials broken off and resumed: what an algorithm may remember, and what is noticed."""

import optax
from toy_runs import each_batch_twice, sgd
from toy_workload import toy

from algoperf_jax.check.resumption import check_resumption
from algoperf_jax.trial.settings import Settings


def texts(submission, folder):
    found = check_resumption(toy(), submission, Settings(replicas=1), folder / "trial", folder)
    return [finding.text for finding in found]


def test_what_the_state_and_a_hook_s_carry_hold_is_resumed(tmp_path):
    momentum = sgd(
        optimizer=lambda hp, problem: optax.sgd(hp.learning_rate, momentum=0.9),
        select=each_batch_twice,
    )
    assert texts(momentum, tmp_path) == []


def test_memory_of_a_closure_is_noticed(tmp_path):
    kept = []

    def select(batches, carry, moment):
        if not kept:
            kept.extend(2 * [next(batches)])
        return kept.pop(), carry

    (text,) = texts(sgd(select=select), tmp_path)
    assert text.startswith("toy: a trial that was broken off and resumed ends with other numbers")
