"""Short runs of the toy workload."""

import optax
from fake_time import FakeTime
from toy_workload import toy

from algoperf_jax.rules import Target
from algoperf_jax.submission import Submission
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train

OUT_OF_REACH = Target("score", "max", validation=1.0, test=1.0)


def sgd(**changes):
    fields = {
        "optimizer": lambda hp, problem: optax.sgd(hp.learning_rate),
        "name": "sgd",
        "hyperparameters": {"learning_rate": 0.05},
    }
    return Submission(**{**fields, **changes})


def slow_selection(now, seconds):
    """A `select` hook that takes so many seconds."""

    def select(batches, carry, moment):
        now.advance(seconds)
        return next(batches), carry

    return select


# Evaluated after step 3, the first use of the second batch; the second use comes after it.
ECHOING_SETTINGS = {"replicas": 4, "max_steps": 8, "eval_every_steps": 3}


def each_batch_twice(batches, carry, moment):
    """A `select` hook that echoes data."""
    if carry:
        return carry["again"], None
    batch = next(batches)
    return batch, {"again": batch}


def run(workload=None, submission=None, *, now=None, folder=None, reporter=None, **settings):
    return train(
        workload or toy(target=OUT_OF_REACH),
        submission or sgd(),
        Settings(**{"replicas": 2, **settings}),
        folder=folder,
        now=now or FakeTime(),
        reporter=reporter,
    )


def steps_evaluated(result):
    return [row["global_step"] for row in result.ledger.evaluations]
