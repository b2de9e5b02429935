"""The contract of a workload, checked on one: shapes, counts, padding, replicas, resumption.

    from algoperf_jax.check.workload import check_workload
    for finding in check_workload(my_workload, data=my_workload.open_data(None, cache_dir)):
        print(finding)

Every check is a function that raises a `Violation`; `checks` lists those that can be made. What a
model computes is not looked at: that takes an independent source.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_jax import contracts
from algoperf_jax.check.comparison import (
    Violation,
    require,
    require_close,
    require_equal,
    require_same_types,
)
from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import DataError, UserError
from algoperf_jax.parameters import describe
from algoperf_jax.rules import RULE_SETS
from algoperf_jax.trial.evaluation import SPLITS, Evaluator, check_metrics, splits_of
from algoperf_jax.trial.linear import gathered
from algoperf_jax.trial.replicas import Replicas, replicas_on, sum_over_replicas
from algoperf_jax.workload import (
    AXIS,
    LANE,
    Batch,
    BatchIterator,
    BatchNormMode,
    Data,
    Workload,
)

REPLICAS = 2
EXAMPLES_PER_REPLICA = 4
METRIC_TOLERANCE = 2e-3
"""Metrics of what a model decides, such as words, move by one decision that hangs on rounding."""
BATCHES = 4
"""How many training batches are compared after a resumption."""


def check_workload(workload: Workload, data: Data | None = None) -> dict[str, str | None]:
    """Makes all checks; what is wrong by the name of the check, None where nothing is.

    Args:
      workload: what is checked.
      data: its opened data; None leaves out the checks that read data.
    """
    found: dict[str, str | None] = {}
    for name, check in checks(with_data=data is not None).items():
        try:
            check(workload, data)
            found[name] = None
        except UserError as error:
            found[name] = str(error)
    return found


def checks(*, with_data: bool) -> Mapping[str, Callable[[Workload, Data], None]]:
    """The checks by name; without data those that need none."""
    chosen = [*_OF_FUNCTIONS, *(_OF_DATA if with_data else ())]
    return {check.__name__.removeprefix("check_"): check for check in chosen}


def check_shapes(workload: Workload, data: Data = None) -> None:
    """Traces everything on the example batch: parameters, outputs, loss and metrics fit together.

    Nothing is computed, so this is quick at full scale, too.
    """
    batch = _one_replica(workload)
    params, state = jax.eval_shape(workload.init, _key())
    for path, leaf in jax.tree_util.tree_leaves_with_path((params, state)):
        require(leaf.dtype != jnp.float64, f"init gives float64 at {jax.tree_util.keystr(path)}")
    describe(params, workload.kinds(params), workload.output_layers)
    for layer in workload.output_layers:
        require(layer in params, f"output_layers: params have no {layer!r}")
    for mode in get_args(BatchNormMode):
        forward = _in_replica(functools.partial(workload.apply, train=True, batch_norm=mode))
        outputs, new_state = jax.eval_shape(
            forward, params, state, batch, rng=_key(), dropout_rate=jnp.float32(0.1)
        )
        contracts.check_same_tree(new_state, state, f"model state after a pass in mode {mode!r}")
        contracts.check_loss_terms(jax.eval_shape(workload.loss, outputs, batch), "loss")
    jax.eval_shape(workload.eval, params, state, _one_replica(workload, "validation"))


def check_dropout(workload: Workload, data: Data = None) -> None:
    """Dropout at a traced rate of 0 is none; at a high rate it matters where there is dropout."""
    forward = _forward(workload)
    plain, zero, half = (forward(rate) for rate in (0.0, jnp.float32(0.0), jnp.float32(0.5)))
    require_close(zero, plain, "outputs at dropout rate 0, traced and not")
    if workload.default_dropout_rate > 0:
        same = all(map(np.array_equal, jax.tree.leaves(half), jax.tree.leaves(plain)))
        require(not same, "dropout_rate has no effect on the outputs of a training pass")


def check_loss(workload: Workload, data: Data = None) -> None:
    """The loss adds up, what has weight 0 adds nothing, and smoothing is heeded as is stated."""
    outputs, batch = _forward(workload)(0.0), _one_replica(workload)
    terms = workload.loss(outputs, batch)
    require_close(terms.per_example.sum(), terms.summed, "loss: per_example adds up to summed")
    require(float(terms.n_valid) > 0, "loss: n_valid is 0 on the example batch")
    require("weights" in batch, "batches hold no 'weights', which are 0 for padding")
    nothing = workload.loss(outputs, {**batch, "weights": np.zeros_like(batch["weights"])})
    require(
        float(nothing.summed) == 0 and float(nothing.n_valid) == 0,
        f"loss: with all weights 0 summed is {nothing.summed} and n_valid {nothing.n_valid}",
    )
    smoothed = workload.loss(outputs, batch, label_smoothing=jnp.float32(0.2))
    unchanged = float(smoothed.summed) == float(terms.summed)
    if workload.supports_label_smoothing:
        require(not unchanged, "supports_label_smoothing is True and the loss does not heed it")
    else:
        require(unchanged, "supports_label_smoothing is False and the loss heeds it")


def check_devices(workload: Workload, data: Data = None) -> None:
    """One device with two replicas computes what two devices compute, under every rule set.

    Nothing is checked where there is one device only.
    """
    if jax.local_device_count() < REPLICAS:
        return
    # Rule sets differ here in whether the forward pass holds collectives.
    as_ruled = [workload.under(workload, rules.conditions) for rules in RULE_SETS.values()]
    variants = {variant.collective_forward: variant for variant in as_ruled}
    layouts = [Replicas(REPLICAS, tuple(jax.devices()[:n])) for n in (1, REPLICAS)]
    for collective, variant in variants.items():
        one, several = (_summed_gradient(variant, layout) for layout in layouts)
        statistics = "global statistics" if collective else "statistics of each replica"
        require_close(several, one, f"gradient on {REPLICAS} devices and one, {statistics}")


def check_missing_data(workload: Workload, data: Data = None) -> None:
    """At full scale, an empty folder is an error that names the command which fills it."""
    if workload.scale != "full":
        return
    with TemporaryDirectory() as folder:
        try:
            workload.open_data(Path(folder), Path(folder))
        except DataError as error:
            require("prepare_data.py" in str(error), f"open_data names no command: {error}")
        else:
            raise Violation("open_data accepts a folder without data")


def check_batches(workload: Workload, data: Data) -> None:
    """Batches look like the example batch, and a process's share is its part of the whole."""
    share = _share()
    for split in ("train", *splits_of(workload)):
        batch = next(iter(workload.dataset(split, data, share, seed=0)))
        example = workload.example_batch(share, split=split)
        require_same_types(example, batch, f"example_batch of {split!r}")
        halves = [BatchShare(share.batch_size, REPLICAS, range(k, k + 1)) for k in range(REPLICAS)]
        parts = [next(iter(workload.dataset(split, data, half, seed=0))) for half in halves]
        joined = jax.tree.map(lambda *x: np.concatenate(x), *parts)
        require_equal(joined, batch, f"the shares of {REPLICAS} processes of {split!r}")


def check_counts(workload: Workload, data: Data) -> None:
    """Every split has the number of examples that `num_examples` says."""
    for split in SPLITS:
        share = BatchShare.whole(workload.eval_batch_size)
        found = sum(_examples(batch) for batch in workload.dataset(split, data, share, seed=0))
        expected = workload.num_examples[split]
        require(found == expected, f"{split} has {found} examples, num_examples says {expected}")


def check_order(workload: Workload, data: Data) -> None:
    """The seed decides the training batches, and they go on from a position in the middle."""
    batches = _train_batches(workload, data, seed=1)
    passed = [next(batches) for _ in range(BATCHES)]
    position = batches.get_state()
    expected = [next(batches) for _ in range(BATCHES)]
    again = _train_batches(workload, data, seed=1)
    for batch in passed:
        require_equal(next(again), batch, "training batches of the same seed")
    resumed = _train_batches(workload, data, seed=1)
    next(resumed)
    resumed.set_state(position)
    for batch in expected:
        require_equal(next(resumed), batch, "training batches behind a restored position")
    other = next(_train_batches(workload, data, seed=2))
    same = all(map(np.array_equal, jax.tree.leaves(other), jax.tree.leaves(passed[0])))
    require(not same, "the seed has no effect on the training batches")


def check_evaluation(workload: Workload, data: Data) -> None:
    """Metrics do not depend on how a split is cut into batches, so padding never counts."""
    state = _compiled(workload.init)(_key())
    found = []
    for size, count in ((workload.eval_batch_size, 1), (workload.eval_batch_size // 2, REPLICAS)):
        layout = replicas_on(jax.local_devices()[:1], count)
        cut = dataclasses.replace(workload, eval_batch_size=size)
        found.append(Evaluator(cut, layout, data)(*layout.put_state(state)))
    check_metrics(workload, found[0])
    for name, value in found[0].items():
        what = f"{name} in smaller batches"
        require_close(np.float64(found[1][name]), np.float64(value), what, METRIC_TOLERANCE)


_OF_FUNCTIONS = (
    check_shapes,
    check_dropout,
    check_loss,
    check_devices,
    check_missing_data,
)
_OF_DATA = (check_batches, check_counts, check_order, check_evaluation)


def _summed_gradient(workload: Workload, layout: Replicas) -> Any:
    """The gradient of the summed loss over the example batch, on the devices of the layout."""
    params, state = _compiled(workload.init)(_key())

    def program(params: Any, state: Any, batches: Batch) -> Any:
        def replica(batch: Batch, key: jax.Array) -> tuple[Any, Any]:
            def summed(params: Any) -> jax.Array:
                outputs, _ = workload.apply(
                    params,
                    state,
                    batch,
                    rng=key,
                    train=True,
                    dropout_rate=workload.default_dropout_rate,
                    batch_norm="batch",
                )
                return workload.loss(outputs, batch).summed

            value, grads = jax.value_and_grad(summed)(params)
            return grads, value

        lanes = layout.lanes_of(workload.collective_forward)
        grads, values = sum_over_replicas(replica, batches, _key(), lanes)
        return grads, gathered(values)

    batches = layout.put_batch(workload.example_batch(_share()))
    stacked = layout.map(program)(*layout.put_state((params, state)), batches)
    return layout.fetch_state(stacked)


def _forward(workload: Workload) -> Callable[[Any], Any]:
    """Outputs of a training pass on the example batch, by dropout rate."""
    params, state = _compiled(workload.init)(_key())
    apply = _in_replica(
        functools.partial(workload.apply, rng=_key(), train=True, batch_norm="batch")
    )
    batch = _one_replica(workload)
    traced = _compiled(lambda rate: apply(params, state, batch, dropout_rate=rate)[0])

    def outputs(rate: Any) -> Any:
        if isinstance(rate, jax.Array):
            return traced(rate)
        return _compiled(lambda: apply(params, state, batch, dropout_rate=rate)[0])()

    return outputs


# What runs once or twice need not be optimised for long.
_compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 1})


def _in_replica(function: Callable) -> Callable:
    """`function` as on a single replica, where it may reduce over `workload.AXES`."""

    def run(*args: Any, **options: Any) -> Any:
        mapped = jax.vmap(lambda _: function(*args, **options), axis_name=LANE)
        mapped = jax.vmap(mapped, axis_name=AXIS)
        return jax.tree.map(lambda x: x[0, 0], mapped(jnp.zeros((1, 1))))

    return run


def _train_batches(workload: Workload, data: Data, seed: int) -> BatchIterator:
    batches = workload.dataset("train", data, _share(), seed=seed)
    for method in ("get_state", "set_state"):
        require(hasattr(batches, method), f"training batches have no {method}")
    return batches  # type: ignore[return-value]


def _share() -> BatchShare:
    return BatchShare.whole(REPLICAS * EXAMPLES_PER_REPLICA, REPLICAS)


def _key() -> jax.Array:
    return jax.random.PRNGKey(0)


def _one_replica(workload: Workload, split: Any = "train") -> Batch:
    batch = workload.example_batch(BatchShare.whole(EXAMPLES_PER_REPLICA), split=split)
    return jax.tree.map(lambda x: x[0], batch)


def _examples(batch: Batch) -> int:
    """How many examples a batch holds, those of padding left out."""
    weights = np.asarray(batch["weights"])
    return int((weights.reshape(*weights.shape[:2], -1) != 0).any(axis=-1).sum())
