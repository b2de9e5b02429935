"""OGBG: a graph network that predicts 128 properties of molecules (ogbg-molpcba).

Each name of the catalogue is a function `scale -> Workload` here. A variant is the same workload
with another network.
"""

import functools
from typing import Any

import jax

from algoperf_jax.errors import UserError
from algoperf_jax.rules import Limits, Target
from algoperf_jax.workload import Batch, BatchNormMode, LossType, ModelState, Scale, Workload
from workloads.facts import FACTS
from workloads.ogbg.dataset import EVAL_TRAIN_EXAMPLES, dataset, locate_data
from workloads.ogbg.loss import loss
from workloads.ogbg.metrics import OgbgMetrics, OgbgSubsetMetrics, evaluate
from workloads.ogbg.model import GraphNetwork, smallest_batch
from workloads.ogbg.random_molecules import random_batch

NETWORKS = {
    "ogbg": GraphNetwork(),
    "ogbg_gelu": GraphNetwork(activation="gelu"),
    "ogbg_silu": GraphNetwork(activation="silu"),
    "ogbg_model_size": GraphNetwork(
        latent_dim=128, hidden_dims=(256, 256), num_message_passing_steps=3
    ),
}
"""The models at full scale, all that distinguishes the variants beside their targets."""

# The same modules at scale mini, narrower and with fewer steps.
MINI_WIDTH_DIVISOR = 4
MINI_MESSAGE_PASSING_STEPS = 2
# Averages of the sample (16.3 and 33.6), rounded down as those of the full data set are.
MINI_NODES_PER_GRAPH = 16
MINI_EDGES_PER_GRAPH = 33
# Set by scripts/set_targets.py; sample/targets_ogbg.json holds the runs.
MINI_TARGET = Target("mean_average_precision", "max", validation=0.780866, test=0.757055)
MINI_LIMITS = Limits(step_hint=2000, runtime_seconds=80.0)


def ogbg(scale: Scale) -> Workload:
    """The base workload."""
    return _full("ogbg") if scale == "full" else _mini()


def ogbg_gelu(scale: Scale) -> Workload:
    """The variant with GELU activations (tanh approximation)."""
    return _variant("ogbg_gelu", scale)


def ogbg_silu(scale: Scale) -> Workload:
    """The variant with SiLU activations."""
    return _variant("ogbg_silu", scale)


def ogbg_model_size(scale: Scale) -> Workload:
    """The variant with narrower embeddings, two layers per update and three steps."""
    return _variant("ogbg_model_size", scale)


def _variant(name: str, scale: Scale) -> Workload:
    if scale != "full":
        raise UserError(
            f"workload {name!r} exists at scale full only: no target was set for it at mini"
        )
    return _full(name)


def _full(name: str) -> Workload:
    facts = FACTS[name]
    return Workload(
        name=name,
        scale="full",
        target=facts.target,
        limits=facts.limits,
        eval_period_seconds=facts.eval_period_seconds,
        batch_size=512,
        eval_batch_size=32_768,
        num_examples={
            "train": 350_343,
            "eval_train": EVAL_TRAIN_EXAMPLES,
            "validation": 43_793,
            "test": 43_793,
        },
        dataset=dataset,
        random_batch=random_batch,
        **_functions(NETWORKS[name], OgbgSubsetMetrics),
    )


def _mini() -> Workload:
    full = NETWORKS["ogbg"]
    network = full.clone(
        latent_dim=full.latent_dim // MINI_WIDTH_DIVISOR,
        hidden_dims=tuple(width // MINI_WIDTH_DIVISOR for width in full.hidden_dims),
        num_message_passing_steps=MINI_MESSAGE_PASSING_STEPS,
    )
    averages = {"nodes_per_graph": MINI_NODES_PER_GRAPH, "edges_per_graph": MINI_EDGES_PER_GRAPH}
    return Workload(
        name="ogbg",
        scale="mini",
        target=MINI_TARGET,
        limits={"v0.5": MINI_LIMITS, "v0.6": MINI_LIMITS},
        eval_period_seconds=1.0,
        batch_size=128,
        eval_batch_size=512,
        num_examples={"train": 3908, "eval_train": 488, "validation": 488, "test": 489},
        dataset=functools.partial(dataset, eval_train_examples=488, **averages),
        random_batch=functools.partial(random_batch, **averages),
        **_functions(network, OgbgMetrics),
    )


def _functions(network: GraphNetwork, metrics: type) -> dict[str, Any]:
    """The functions and facts that both scales share."""

    def init(rng: jax.Array) -> tuple[Any, ModelState]:
        variables = network.init(rng, smallest_batch(), train=False, dropout_rate=0.0)
        return variables["params"], {}

    def apply(
        params: Any,
        model_state: ModelState,
        batch: Batch,
        *,
        rng: jax.Array,
        train: bool,
        dropout_rate: jax.Array | float,
        batch_norm: BatchNormMode,
    ) -> tuple[jax.Array, ModelState]:
        del batch_norm  # there is none in this model
        logits = network.apply(
            {"params": params},
            batch,
            train=train,
            dropout_rate=dropout_rate,
            rngs={"dropout": rng} if train else None,
        )
        return logits, model_state

    def evaluate_batch(params: Any, model_state: ModelState, batch: Batch) -> Any:
        del model_state
        logits = network.apply({"params": params}, batch, train=False, dropout_rate=0.0)
        return evaluate(logits, batch, collection=metrics)

    decoder = network.num_message_passing_steps * 3 * len(network.hidden_dims)
    return {
        "base_name": "ogbg",
        "loss_type": LossType.SIGMOID_CROSS_ENTROPY,
        "default_dropout_rate": 0.1,
        "supports_label_smoothing": True,
        "output_layers": (f"Dense_{decoder}",),
        "init": init,
        "apply": apply,
        "loss": loss,
        "eval": evaluate_batch,
        "locate_data": locate_data,
    }
