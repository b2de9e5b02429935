"""Every workload of the catalogue against the contract of workloads."""

import functools

import pytest

import workloads
from algoperf_jax.check.workload import checks
from algoperf_jax.trial.setup import open_data

MINI = [name for name in workloads.CATALOGUE.entries if "mini" in workloads.scales(name)]
ON_MINI = checks(with_data=True)
# These compile a model, up to a minute each. The cheapest workload stands for the others here, and
# what they look at is in the workloads' own tests, too; devices are those of the toy's tests.
LONG = ("dropout", "loss", "devices", "evaluation", "shapes")
CHEAP = {("ogbg", check) for check in ("dropout", "loss", "evaluation", "shapes")}
ON_FULL = ("shapes", "missing_data")  # what computes nothing


def _marks(is_long):
    return [pytest.mark.slow] if is_long else []


MINI_CASES = [
    pytest.param(name, check, marks=_marks(check in LONG and (name, check) not in CHEAP))
    for name in MINI
    for check in ON_MINI
]
# Golden tests trace most of them, too.
TRACED = ("ogbg", "criteo1tb")
FULL_CASES = [
    pytest.param(name, check, marks=_marks(check == "shapes" and name not in TRACED))
    for name in workloads.CATALOGUE.entries
    for check in ON_FULL
]


@pytest.fixture(scope="session")
def opened(tmp_path_factory):
    """The data of a mini workload, opened once."""
    cache_dir = tmp_path_factory.mktemp("cache")
    return functools.cache(lambda name: open_data(workloads.get(name), cache_dir=cache_dir))


@pytest.mark.parametrize(("name", "check"), MINI_CASES)
def test_mini_workload_keeps_to_the_contract(name, check, opened):
    ON_MINI[check](workloads.get(name), opened(name))


@pytest.mark.parametrize(("name", "check"), FULL_CASES)
def test_full_workload_keeps_to_the_contract(name, check):
    ON_MINI[check](workloads.get(name, "full"), None)
