"""Targets that are easier to meet by some percentage of themselves."""

import dataclasses
from collections.abc import Mapping

from algoperf_jax.errors import UserError
from algoperf_jax.rules import Facts, Target


def relaxed(facts: Mapping[str, Facts], percent: float) -> dict[str, Facts]:
    """The facts with validation targets that are so much easier to meet.

    A target that wants more becomes smaller by so much of itself, one that wants less larger.

    Raises:
      UserError: the percentage is negative, or 100 or more.
    """
    if not 0 <= percent < 100:
        raise UserError(f"relaxed targets: {percent} % given, at least 0 and below 100 are needed")

    def easier(target: Target) -> Target:
        sign = -1.0 if target.direction == "max" else 1.0
        value = target.validation + sign * abs(target.validation) * percent / 100
        return dataclasses.replace(target, validation=value)

    return {
        name: dataclasses.replace(fact, target=easier(fact.target)) for name, fact in facts.items()
    }
