"""LibriSpeech: speech to word pieces, by a Conformer and by a DeepSpeech.

Both workloads share data, front-end, loss and metrics; a variant is the same workload with another
network.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

from algoperf_jax.nn.flax_functions import ModelFunctions, model_functions
from algoperf_jax.parameters import Params
from algoperf_jax.rules import Conditions, Facts, Target, same_limits
from algoperf_jax.workload import AXES, Batch, LossType, ModelState, Scale, Workload
from workloads.facts import base_name, described
from workloads.librispeech import sample
from workloads.librispeech.batching import Shapes
from workloads.librispeech.conformer import Conformer, ConformerConfig
from workloads.librispeech.dataset import dataset, example_batch
from workloads.librispeech.deepspeech import DeepSpeech, DeepSpeechConfig
from workloads.librispeech.evaluation import compute_metrics, evaluate
from workloads.librispeech.files import LIBRISPEECH, Corpus
from workloads.librispeech.front_end import samples_of
from workloads.librispeech.layers import Audio
from workloads.librispeech.loss import loss
from workloads.librispeech.spec_augment import SpecAugment
from workloads.librispeech.utterances import open_speech

CONFIGS = {
    "librispeech_conformer": ConformerConfig(),
    "librispeech_conformer_attention_temperature": ConformerConfig(attention_temperature=1.6),
    "librispeech_conformer_layernorm": ConformerConfig(block_norm=False),
    "librispeech_conformer_gelu": ConformerConfig(activation="gelu"),
    "librispeech_deepspeech": DeepSpeechConfig(),
    "librispeech_deepspeech_tanh": DeepSpeechConfig(activation="tanh"),
    "librispeech_deepspeech_no_resnet": DeepSpeechConfig(residual=False),
    "librispeech_deepspeech_norm_and_spec_aug": DeepSpeechConfig(
        layer_norms=True, spec_augment=SpecAugment(time_masks=15, frequency_masks=4)
    ),
}
"""The models at full scale, all that distinguishes the variants beside their targets."""

Config = ConformerConfig | DeepSpeechConfig

# The same modules at scale mini, narrower and with fewer layers; less is hidden of less data.
MINI_CONFIGS = {
    "librispeech_conformer": ConformerConfig(
        pieces=sample.PIECES,
        features=64,
        num_heads=4,
        num_blocks=2,
        feed_forward_factor=2,
        subsampling_channels=16,
        spec_augment=SpecAugment(time_masks=2, widest_band=14),
    ),
    "librispeech_deepspeech": DeepSpeechConfig(
        pieces=sample.PIECES,
        features=128,
        num_recurrent_layers=2,
        num_feed_forward_layers=1,
        subsampling_channels=16,
        spec_augment=SpecAugment(time_masks=4, widest_band=20),
    ),
}


class Sizes(NamedTuple):
    """What distinguishes the scales beside the model and its targets.

    Attributes:
      corpus: what data there are.
      shapes: of batches.
      batch_size: the baselines' utterances in a batch.
      eval_batch_size: utterances in a batch of evaluations.
      eval_train_examples: of the `eval_train` split.
    """

    corpus: Corpus
    shapes: Shapes
    batch_size: int
    eval_batch_size: int
    eval_train_examples: int


FULL_SIZES = Sizes(LIBRISPEECH, Shapes(), 256, 256, 5_376)
MINI_SIZES = Sizes(
    sample.CORPUS,
    Shapes(
        samples=samples_of(154),  # a frame of silence behind the longest utterance
        labels=sample.LONGEST_LABELS,
        evaluation_frames=(110,),
    ),
    batch_size=8,
    eval_batch_size=56,
    eval_train_examples=200,
)

# Evaluation batches of this variant are smaller.
SMALLER_BATCHES = {"librispeech_deepspeech_norm_and_spec_aug": 128}

# Targets were set by scripts/set_targets.py; sample/targets_*.json hold the runs.
MINI = {
    "librispeech_conformer": Facts(
        target=Target("wer_plain", "min", validation=0.16453, test=0.202417),
        limits=same_limits(step_hint=2000, runtime_seconds=180.0, eval_period_seconds=3.0),
    ),
    "librispeech_deepspeech": Facts(
        target=Target("wer_plain", "min", validation=0.11396, test=0.132931),
        limits=same_limits(step_hint=2000, runtime_seconds=180.0, eval_period_seconds=3.0),
    ),
}


def workload(name: str, scale: Scale) -> Workload:
    """The workload or variant of that name."""
    if scale == "mini":
        return with_model(name, scale, MINI_CONFIGS[name], MINI_SIZES)
    eval_batch_size = SMALLER_BATCHES.get(name, FULL_SIZES.eval_batch_size)
    sizes = FULL_SIZES._replace(eval_batch_size=eval_batch_size)
    return with_model(name, scale, CONFIGS[name], sizes)


def with_model(name: str, scale: Scale, config: Config, sizes: Sizes) -> Workload:
    """The workload of that name with this model on data of these sizes.

    Batch statistics of a Conformer are those of each replica unless a rule set has others; a
    DeepSpeech's are those of the global batch in every edition of the benchmark.
    """
    shapes = sizes.shapes
    example = functools.partial(example_batch, shapes=shapes, pieces=config.pieces)
    synchronised = _statistics_are_global(config, "replica")
    model = _model(config, AXES if synchronised else (), example)

    def evaluate_batch(params: Params, model_state: ModelState, batch: Batch) -> Any:
        outputs = model.predict(params, model_state, batch)
        return evaluate(outputs, batch, frames=shapes.frames)

    return Workload(
        **described(name, scale, MINI[base_name(name)]),
        loss_type=LossType.CTC_LOSS,
        batch_size=sizes.batch_size,
        eval_batch_size=sizes.eval_batch_size,
        num_examples={**sizes.corpus.examples, "eval_train": sizes.eval_train_examples},
        default_dropout_rate=0.1,
        supports_label_smoothing=False,
        output_layers=("Dense_0",),
        init=model.init,
        apply=model.apply,
        loss=loss,
        eval=evaluate_batch,
        open_data=functools.partial(open_speech, corpus=sizes.corpus),
        dataset=functools.partial(
            dataset, shapes=shapes, eval_train_examples=sizes.eval_train_examples
        ),
        example_batch=example,
        compute_metrics=compute_metrics,
        collective_forward=synchronised,
        under=functools.partial(_under, config, model),
    )


def _model(config: Config, statistics_axes: tuple[str, ...], example: Any) -> ModelFunctions:
    network = (Conformer if isinstance(config, ConformerConfig) else DeepSpeech)(
        config, statistics_axes
    )
    return model_functions(
        network, lambda batch: Audio(batch["audio"], batch["audio_lengths"]), example
    )


def _statistics_are_global(config: Config, under_rules: str) -> bool:
    """Whether batch norms, where there are any, take the statistics of the global batch."""
    if isinstance(config, ConformerConfig):
        return under_rules == "global"
    return not config.layer_norms


def _under(
    config: Config, own: ModelFunctions, workload: Workload, conditions: Conditions
) -> Workload:
    """The workload with the rule set's statistics, places of dropout, and padding of evaluations.

    What the reference adds to fill its last evaluation batch counts in its word error rate.
    """
    if workload.compute_metrics is compute_metrics:
        group = (workload.eval_batch_size, conditions.evaluation_shards)
        counted = functools.partial(compute_metrics, padding_group=group)
        workload = dataclasses.replace(workload, compute_metrics=counted)
    if workload.apply is not own.apply:
        return workload
    if isinstance(config, ConformerConfig):
        config = config._replace(inner_dropout=conditions.models != "v0.5")
    synchronised = _statistics_are_global(config, conditions.batch_statistics)
    model = _model(config, AXES if synchronised else (), workload.example_batch)
    return dataclasses.replace(workload, apply=model.apply, collective_forward=synchronised)
