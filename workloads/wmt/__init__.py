"""WMT: a Transformer that translates German to English.

A variant is the same workload with another network.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

from algoperf_jax.nn.flax_functions import model_functions
from algoperf_jax.parameters import Params
from algoperf_jax.rules import Facts, Target, same_limits
from algoperf_jax.workload import Batch, LossType, ModelState, Scale, Split, Workload
from workloads.facts import described
from workloads.wmt import sample
from workloads.wmt.config import Config
from workloads.wmt.dataset import EVAL_TRAIN_EXAMPLES, Text, dataset, example_batch, open_data
from workloads.wmt.evaluation import compute_metrics, evaluate
from workloads.wmt.files import STORED
from workloads.wmt.loss import loss
from workloads.wmt.model import Transformer

CONFIGS = {
    "wmt": Config(),
    "wmt_post_ln": Config(norm="post"),
    "wmt_attention_temp": Config(attention_temperature=4.0),
    "wmt_glu_tanh": Config(activation="tanh", gated_mlp=True),
}
"""The models at full scale, all that distinguishes the variants beside their targets."""

MINI_CONFIG = Config(
    vocabulary_size=sample.VOCABULARY_SIZE,
    features=96,
    num_heads=4,
    mlp_dim=96,
    num_layers=2,
    length=sample.LONGEST,
)
"""The same modules, narrower and with fewer layers."""


class Sizes(NamedTuple):
    """What distinguishes the scales beside the model and its targets.

    Attributes:
      text: facts of the text.
      short: a length that most sentences do not exceed.
      batch_size: the baselines' rows in a batch.
      examples: of each split.
    """

    text: Text
    short: int
    batch_size: int
    examples: Mapping[Split, int]


SIZES: dict[Scale, Sizes] = {
    "full": Sizes(
        Text(),
        short=64,
        batch_size=128,
        examples={**STORED.examples, "eval_train": EVAL_TRAIN_EXAMPLES},
    ),
    "mini": Sizes(
        Text(sample.LONGEST, sample.VOCABULARY_SIZE, eval_train_examples=128),
        short=24,
        batch_size=16,
        examples={**sample.EXAMPLES, "eval_train": 128},
    ),
}

MINI = Facts(
    # Set by scripts/set_targets.py; sample/targets_wmt.json holds the runs.
    target=Target("bleu", "max", validation=11.249428, test=14.901827),
    limits=same_limits(step_hint=1000, runtime_seconds=240.0, eval_period_seconds=6.0),
)


def workload(name: str, scale: Scale) -> Workload:
    """The workload or variant of that name."""
    return with_model(name, scale, CONFIGS[name] if scale == "full" else MINI_CONFIG, SIZES[scale])


def with_model(name: str, scale: Scale, config: Config, sizes: Sizes) -> Workload:
    """The workload of that name with this model on text of these sizes."""
    network, text = Transformer(config), sizes.text
    example = functools.partial(example_batch, text=text)
    model = model_functions(network, inputs=lambda batch: batch, example_batch=example)

    def evaluate_batch(params: Params, model_state: ModelState, batch: Batch) -> Any:
        del model_state
        return evaluate(network, params, batch, short=sizes.short)

    return Workload(
        **described(name, scale, MINI),
        loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
        batch_size=sizes.batch_size,
        eval_batch_size=128,
        num_examples=sizes.examples,
        default_dropout_rate=0.1,
        supports_label_smoothing=True,
        output_layers=("shared_embedding",),
        init=model.init,
        apply=model.apply,
        loss=loss,
        eval=evaluate_batch,
        open_data=functools.partial(open_data, text=text),
        dataset=functools.partial(dataset, text=text),
        example_batch=example,
        compute_metrics=compute_metrics,
    )
