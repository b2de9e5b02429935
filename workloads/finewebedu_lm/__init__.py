"""FineWeb-Edu: a decoder that predicts the next token of texts.

The ninth workload, of the round of 2026 alone. It has no test split.
"""

import functools
from typing import Any, NamedTuple

from algoperf_jax.nn.flax_functions import model_functions
from algoperf_jax.parameters import Params
from algoperf_jax.rules import Facts, Limits, Target
from algoperf_jax.workload import Batch, LossType, ModelState, Scale, Workload
from workloads.facts import described
from workloads.finewebedu_lm import sample
from workloads.finewebedu_lm.dataset import dataset, example_batch, open_data
from workloads.finewebedu_lm.files import Corpus
from workloads.finewebedu_lm.loss import loss
from workloads.finewebedu_lm.metrics import compute_metrics, evaluate
from workloads.finewebedu_lm.model import Config, Decoder

CONFIG = Config()
"""The benchmark's model."""

MINI_CONFIG = Config(
    vocabulary_size=sample.CORPUS.vocabulary_size,
    features=64,
    num_heads=4,
    mlp_dim=256,
    num_layers=2,
    length=sample.CORPUS.length,
    compute="float32",
)
"""The same modules, narrower and with fewer layers; CPUs gain nothing from bfloat16."""


class Sizes(NamedTuple):
    """What distinguishes the scales beside the model and its target.

    Attributes:
      corpus: what text there is.
      batch_size: the baselines' sequences in a batch.
      eval_batch_size: sequences in a batch of evaluations.
    """

    corpus: Corpus
    batch_size: int
    eval_batch_size: int


SIZES: dict[Scale, Sizes] = {
    "full": Sizes(Corpus(), batch_size=64, eval_batch_size=256),
    "mini": Sizes(sample.CORPUS, batch_size=8, eval_batch_size=64),
}

MINI = Facts(
    # Set by scripts/set_targets.py; sample/targets_finewebedu_lm.json holds the runs.
    target=Target("ppl", "min", validation=53.19519, test=float("inf")),
    limits={"v0.6-a100": Limits(1200, 120.0, 3.0)},
)


def workload(name: str, scale: Scale) -> Workload:
    """The workload of that name."""
    config = CONFIG if scale == "full" else MINI_CONFIG
    return with_model(name, scale, config, SIZES[scale])


def with_model(name: str, scale: Scale, config: Config, sizes: Sizes) -> Workload:
    """The workload of that name with this model on text of these sizes."""
    corpus = sizes.corpus
    example = functools.partial(example_batch, corpus=corpus)
    model = model_functions(
        Decoder(config), inputs=lambda batch: batch["inputs"], example_batch=example
    )

    def evaluate_batch(params: Params, model_state: ModelState, batch: Batch) -> Any:
        return evaluate(model.predict(params, model_state, batch), batch)

    return Workload(
        **described(name, scale, MINI),
        loss_type=LossType.SOFTMAX_CROSS_ENTROPY,
        batch_size=sizes.batch_size,
        eval_batch_size=sizes.eval_batch_size,
        num_examples={
            "train": corpus.training_sequences,
            "eval_train": corpus.eval_train_sequences,
            "validation": corpus.validation_sequences,
            "test": 0,
        },
        default_dropout_rate=0.0,
        supports_label_smoothing=True,
        output_layers=("embed",),
        init=model.init,
        apply=model.apply,
        loss=loss,
        eval=evaluate_batch,
        open_data=functools.partial(open_data, corpus=corpus),
        dataset=functools.partial(dataset, corpus=corpus),
        example_batch=example,
        compute_metrics=compute_metrics,
    )
