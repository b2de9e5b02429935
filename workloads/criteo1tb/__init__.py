"""Criteo: will a person click on an advertisement?

A variant is the same workload with another network, or other initial embeddings.
"""

import functools
from typing import Any, NamedTuple

from algoperf_jax.nn.flax_functions import model_functions
from algoperf_jax.parameters import Params
from algoperf_jax.rules import Facts, Target, same_limits
from algoperf_jax.workload import Batch, LossType, ModelState, Scale, Workload
from workloads.criteo1tb import sample
from workloads.criteo1tb.dataset import dataset, example_batch, open_data
from workloads.criteo1tb.files import CRITEO, ClickLogs
from workloads.criteo1tb.loss import loss
from workloads.criteo1tb.metrics import evaluate
from workloads.criteo1tb.model import DLRM, Config
from workloads.facts import described

CONFIGS = {
    "criteo1tb": Config(),
    "criteo1tb_layernorm": Config(layer_norms=True),
    "criteo1tb_embed_init": Config(embedding_range=1.0),
    "criteo1tb_resnet": Config(bottom=(256, 256, 256), top=(256, 256, 256, 256), residual=True),
}
"""The models at full scale, all that distinguishes the variants beside their targets."""

MINI_CONFIG = Config(rows=65_536, features=32, bottom=(128, 64, 32), top=(256, 256, 128, 64))
"""The same modules, narrower, and a smaller table."""


class Sizes(NamedTuple):
    """What distinguishes the scales beside the model and its targets.

    Attributes:
      logs: what data there are.
      batch_size: the baselines' examples in a batch.
      eval_batch_size: examples in a batch of evaluations.
    """

    logs: ClickLogs
    batch_size: int
    eval_batch_size: int


SIZES: dict[Scale, Sizes] = {
    "full": Sizes(CRITEO, batch_size=262_144, eval_batch_size=131_072),
    "mini": Sizes(sample.LOGS, batch_size=256, eval_batch_size=4_096),
}

MINI = Facts(
    # Set by scripts/set_targets.py; sample/targets_criteo1tb.json holds the runs.
    target=Target("loss", "min", validation=0.41972, test=0.423929),
    limits=same_limits(step_hint=1160, runtime_seconds=120.0, eval_period_seconds=3.0),
)


def workload(name: str, scale: Scale) -> Workload:
    """The workload or variant of that name."""
    return with_model(name, scale, CONFIGS[name] if scale == "full" else MINI_CONFIG, SIZES[scale])


def with_model(name: str, scale: Scale, config: Config, sizes: Sizes) -> Workload:
    """The workload of that name with this model on data of these sizes."""
    model = model_functions(DLRM(config), inputs=lambda batch: batch, example_batch=example_batch)

    def evaluate_batch(params: Params, model_state: ModelState, batch: Batch) -> Any:
        return evaluate(model.predict(params, model_state, batch), batch)

    return Workload(
        **described(name, scale, MINI),
        loss_type=LossType.SIGMOID_CROSS_ENTROPY,
        batch_size=sizes.batch_size,
        eval_batch_size=sizes.eval_batch_size,
        num_examples=sizes.logs.examples,
        default_dropout_rate=0.0,
        supports_label_smoothing=False,
        output_layers=("Dense_7",),
        init=model.init,
        apply=model.apply,
        loss=loss,
        eval=evaluate_batch,
        open_data=functools.partial(open_data, logs=sizes.logs),
        dataset=dataset,
        example_batch=example_batch,
    )
