"""Every workload of the catalogue against the contract of workloads."""

import functools

import pytest

import workloads
from algoperf_jax.check.workload import checks
from algoperf_jax.trial.setup import open_data

MINI = [name for name in workloads.CATALOGUE.entries if "mini" in workloads.scales(name)]
ON_MINI = checks(with_data=True)
# Four compilations of the residual network's gradient: the toy's batch norm stands for it.
LONG = {("imagenet_resnet", "devices")}
CASES = [
    pytest.param(name, check, marks=[pytest.mark.slow] if (name, check) in LONG else [])
    for name in MINI
    for check in ON_MINI
]
ON_FULL = ("shapes", "missing_data")  # what computes nothing


@pytest.fixture(scope="session")
def opened(tmp_path_factory):
    """The data of a mini workload, opened once."""
    cache_dir = tmp_path_factory.mktemp("cache")
    return functools.cache(lambda name: open_data(workloads.get(name), cache_dir=cache_dir))


@pytest.mark.parametrize(("name", "check"), CASES)
def test_mini_workload_keeps_to_the_contract(name, check, opened):
    ON_MINI[check](workloads.get(name), opened(name))


@pytest.mark.parametrize("check", ON_FULL)
@pytest.mark.parametrize("name", workloads.CATALOGUE.entries)
def test_full_workload_keeps_to_the_contract(name, check):
    ON_MINI[check](workloads.get(name, "full"), None)
