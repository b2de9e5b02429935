"""The workloads and groups of workloads that `--workloads` may name."""

import workloads
from algoperf_jax.suite.known_workloads import KnownWorkloads
from workloads.facts import BASE, FACTS, HELD_OUT

KNOWN = KnownWorkloads(
    names=tuple(workloads.CATALOGUE.entries),
    groups={
        "base": tuple(BASE),
        "held_out": HELD_OUT,
        "qualification": tuple(name for name in BASE if FACTS[name].qualification),
    },
    get=workloads.get,
    scales=workloads.scales,
    under=lambda name, rules: rules in FACTS[name].limits,
)
