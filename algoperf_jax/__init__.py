"""A JAX-native, functional kit for the AlgoPerf training-algorithms benchmark.

    Workload  x  Submission  --timed training under rules-->  record  -->  score

Names are imported on first use, so that command lines answer before JAX is loaded.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "AXES": "workload",
    "BatchShare": "data.batch_share",
    "Carry": "selection",
    "check_workload": "check.workload",
    "Conditions": "rules",
    "Control": "control",
    "DataError": "errors",
    "Directive": "control",
    "Evaluation": "control",
    "Gradient": "submission",
    "Hyperparameters": "problem",
    "Ledger": "trial.ledger",
    "Limits": "rules",
    "Lines": "trial.progress",
    "LossTerms": "workload",
    "LossType": "workload",
    "MachineError": "errors",
    "Moment": "selection",
    "Objective": "submission",
    "open_data": "trial.setup",
    "Outcome": "trial.ledger",
    "named_arguments": "adapters",
    "ParameterInfo": "parameters",
    "ParameterKind": "parameters",
    "Params": "parameters",
    "Problem": "problem",
    "Progress": "control",
    "Reporter": "trial.progress",
    "Result": "trial.training",
    "rule_set": "rules",
    "SelectFn": "selection",
    "Settings": "trial.settings",
    "Silent": "trial.progress",
    "StepContext": "submission",
    "Submission": "submission",
    "Target": "rules",
    "train": "trial.training",
    "TrainState": "problem",
    "UserError": "errors",
    "ValueAndGradFn": "submission",
    "ValueFn": "submission",
    "with_slow_params": "adapters",
    "Workload": "workload",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
