"""The workloads and groups of workloads that `--workloads` may name."""

import workloads
from algoperf_jax.errors import UserError
from algoperf_jax.suite.known_workloads import KnownWorkloads
from workloads.facts import BASE, FACTS, HELD_OUT


def scales(name: str) -> tuple[str, ...]:
    """The scales at which the workload of that name exists."""
    return tuple(scale for scale in workloads.SCALES if _exists(name, scale))


def _exists(name: str, scale: str) -> bool:
    try:
        workloads.get(name, scale)
    except UserError as error:
        if "exists at scale" not in str(error):
            raise
        return False
    return True


KNOWN = KnownWorkloads(
    names=tuple(workloads.CATALOGUE.entries),
    groups={
        "base": tuple(BASE),
        "held_out": HELD_OUT,
        "qualification": tuple(name for name in BASE if FACTS[name].qualification),
    },
    get=workloads.get,
    scales=scales,
)
