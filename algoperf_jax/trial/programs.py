"""The compiled programs of one trial and the scalars they are called with."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from algoperf_jax import contracts
from algoperf_jax.own_code import in_hook
from algoperf_jax.problem import TrainState
from algoperf_jax.trial.setup import Trial
from algoperf_jax.trial.step import training_step
from algoperf_jax.trial.typed_keys import as_keys


class Programs:
    """A trial's training step, one for each phase, and its view for evaluations."""

    def __init__(self, trial: Trial):
        self._trial = trial
        self._steps: dict[Any, Callable] = {}
        self._key = trial.layout.put_state(trial.loop_key)
        self._knobs: dict[str, Any] = {}
        self._view = self._compiled_view()

    def step(self, phase: Any) -> Callable:
        """The training step of that phase; see `step.training_step`."""
        if phase not in self._steps:
            t = self._trial
            self._steps[phase] = training_step(
                t.workload, t.submission, t.problem, t.hyperparameters, t.optimizer, t.layout, phase
            )
        return self._steps[phase]

    def set_knobs(self, knobs: Mapping[str, float]) -> None:
        """The knobs' values for the steps to come."""
        self._knobs = {
            name: self._trial.layout.put_state(np.float32(value)) for name, value in knobs.items()
        }

    def inputs(self, elapsed_seconds: float) -> dict[str, Any]:
        """What a step is given beside state and batch, stacked."""
        devices = len(self._trial.layout.devices)
        return {
            "key": self._key,
            "knobs": self._knobs,
            "elapsed_seconds": np.full(devices, elapsed_seconds, np.float32),
        }

    def view(self, state: TrainState) -> tuple[Any, Any]:
        """The params and model state to evaluate, stacked; the training state stays as it is."""
        return self._view(state)

    def _compiled_view(self) -> Callable:
        hook = self._trial.submission.eval_view
        if hook is None:
            return lambda state: (state.params, state.model_state)

        def program(state: TrainState) -> tuple[Any, Any]:
            with in_hook("eval_view"):
                view = hook(as_keys(state), self._trial.hyperparameters)
            contracts.pair(view, "eval_view", "(params, model_state)")
            expected = (state.params, state.model_state)
            contracts.check_same_tree(view, expected, "what eval_view returns")
            return view

        return self._trial.layout.map(program)
