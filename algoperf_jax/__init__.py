"""A JAX-native, functional kit for the AlgoPerf training-algorithms benchmark.

    Workload  x  Submission  --timed training under rules-->  record  -->  score

Names are imported on first use, so that command lines answer before JAX is loaded.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Control": "control",
    "DataError": "errors",
    "Directive": "control",
    "LossTerms": "workload",
    "LossType": "workload",
    "Moment": "selection",
    "Objective": "submission",
    "ParameterKind": "parameters",
    "Problem": "submission",
    "Result": "trial.training",
    "Settings": "trial.setup",
    "Submission": "submission",
    "Limits": "rules",
    "Target": "rules",
    "TrainState": "submission",
    "UserError": "errors",
    "Workload": "workload",
    "train": "trial.training",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
