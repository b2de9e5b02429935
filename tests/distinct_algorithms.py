"""The reference algorithms without repetitions."""

import reference_algorithms


def distinct() -> list[str]:
    """One name for each way to train: submissions of one optimizer differ in their points alone."""
    first: dict = {}
    for name in reference_algorithms.CATALOGUE.entries:
        first.setdefault(reference_algorithms.get(name).optimizer, name)
    return list(first.values())
