"""OGBG: a graph network that predicts 128 properties of molecules (ogbg-molpcba).

A variant is the same workload with another network.
"""

import dataclasses
import functools
from typing import Any

from algoperf_jax.nn.flax_functions import model_functions
from algoperf_jax.parameters import Params
from algoperf_jax.rules import Conditions, Facts, Target, same_limits
from algoperf_jax.workload import Batch, LossType, ModelState, Scale, Workload
from workloads.facts import described
from workloads.ogbg.batching import AverageGraph
from workloads.ogbg.dataset import EVAL_TRAIN_EXAMPLES, Batching, dataset, example_batch, open_data
from workloads.ogbg.files import STORED
from workloads.ogbg.loss import loss
from workloads.ogbg.metrics import OgbgMetrics, OgbgSubsetMetrics, evaluate
from workloads.ogbg.model import GraphNetwork

NETWORKS = {
    "ogbg": GraphNetwork(),
    "ogbg_gelu": GraphNetwork(activation="gelu"),
    "ogbg_silu": GraphNetwork(activation="silu"),
    "ogbg_model_size": GraphNetwork(
        latent_dim=128, hidden_dims=(256, 256), num_message_passing_steps=3
    ),
}
"""The models at full scale, all that distinguishes the variants beside their targets."""

# The same modules at scale mini, a quarter as wide and with fewer steps.
MINI_NETWORK = GraphNetwork(latent_dim=64, hidden_dims=(64,), num_message_passing_steps=2)
MINI_EXAMPLES = {"train": 3908, "eval_train": 488, "validation": 488, "test": 489}
MINI_BATCHING = Batching(
    # Averages of the sample (16.3 and 33.6), rounded down as those of the full data set are.
    average=AverageGraph(nodes=16, edges=33),
    eval_train_examples=MINI_EXAMPLES["eval_train"],
)
MINI = Facts(
    # Set by scripts/set_targets.py; sample/targets_ogbg.json holds the runs.
    target=Target("mean_average_precision", "max", validation=0.780866, test=0.757055),
    limits=same_limits(step_hint=2000, runtime_seconds=80.0, eval_period_seconds=1.0),
)


def workload(name: str, scale: Scale) -> Workload:
    """The workload or variant of that name."""
    full = scale == "full"
    network = NETWORKS[name] if full else MINI_NETWORK
    batching = Batching() if full else MINI_BATCHING
    batches = functools.partial(dataset, batching=batching)
    example = functools.partial(example_batch, batching=batching)
    model = model_functions(network, inputs=lambda batch: batch, example_batch=example)
    collection = OgbgSubsetMetrics if full else OgbgMetrics

    def evaluate_batch(params: Params, model_state: ModelState, batch: Batch) -> Any:
        return evaluate(model.predict(params, model_state, batch), batch, collection=collection)

    decoder = network.num_message_passing_steps * 3 * len(network.hidden_dims)
    return Workload(
        **described(name, scale, MINI),
        loss_type=LossType.SIGMOID_CROSS_ENTROPY,
        batch_size=512 if full else 128,
        eval_batch_size=32_768 if full else 512,
        num_examples=(
            {**STORED.examples, "eval_train": EVAL_TRAIN_EXAMPLES} if full else MINI_EXAMPLES
        ),
        default_dropout_rate=0.1,
        supports_label_smoothing=True,
        output_layers=(f"Dense_{decoder}",),
        init=model.init,
        apply=model.apply,
        loss=loss,
        eval=evaluate_batch,
        open_data=open_data,
        dataset=batches,
        example_batch=example,
        under=functools.partial(_under, batches),
    )


def _under(own_dataset: functools.partial, workload: Workload, conditions: Conditions) -> Workload:
    """The workload with the part of each split marked that the rule set's hardware evaluates."""
    batching = own_dataset.keywords["batching"]
    shards = conditions.evaluation_shards
    if shards == batching.evaluation_shards or workload.dataset is not own_dataset:
        return workload
    batching = dataclasses.replace(batching, evaluation_shards=shards)
    return dataclasses.replace(workload, dataset=functools.partial(dataset, batching=batching))
