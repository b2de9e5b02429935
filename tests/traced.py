"""What a traced function is made of."""

from collections import Counter

import jax


def primitives(jaxpr) -> Counter:
    """How often each primitive is called, inner functions included."""
    counts = Counter()
    for equation in jaxpr.eqns:
        counts[equation.primitive.name] += 1
        for value in equation.params.values():
            if isinstance(value, jax.extend.core.ClosedJaxpr):
                counts += primitives(value.jaxpr)
    return counts
