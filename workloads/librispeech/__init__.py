"""LibriSpeech: speech to word pieces, by a Conformer and by a DeepSpeech.

Both workloads share data, front-end, loss and metrics; a variant is the same workload with another
network.
"""

import dataclasses
import functools
from typing import Any

from algoperf_jax.nn.flax_functions import ModelFunctions, model_functions
from algoperf_jax.parameters import Params
from algoperf_jax.rules import Conditions, Facts, Target, same_limits
from algoperf_jax.workload import AXES, Batch, LossType, ModelState, Scale, Workload
from workloads.facts import base_name, described
from workloads.librispeech import sample
from workloads.librispeech.batching import Shapes
from workloads.librispeech.conformer import Conformer, ConformerConfig
from workloads.librispeech.dataset import EVAL_TRAIN_EXAMPLES, dataset, example_batch
from workloads.librispeech.deepspeech import DeepSpeech, DeepSpeechConfig
from workloads.librispeech.evaluation import compute_metrics, evaluate
from workloads.librispeech.files import LIBRISPEECH
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

EVAL_BATCH_SIZES = {"librispeech_deepspeech_norm_and_spec_aug": 128}
"""Of variants whose evaluation batches are not of 256 utterances."""

# The same modules at scale mini, narrower and with fewer layers; less is hidden of less data.
MINI_SPEC_AUGMENT = SpecAugment(time_masks=2, widest_band=16)
MINI_CONFIGS = {
    "librispeech_conformer": ConformerConfig(
        pieces=sample.PIECES,
        features=64,
        num_heads=4,
        num_blocks=2,
        subsampling_channels=16,
        spec_augment=MINI_SPEC_AUGMENT,
    ),
    "librispeech_deepspeech": DeepSpeechConfig(
        pieces=sample.PIECES,
        features=128,
        num_recurrent_layers=2,
        num_feed_forward_layers=1,
        subsampling_channels=16,
        spec_augment=MINI_SPEC_AUGMENT,
    ),
}
MINI_SHAPES = Shapes(
    # So many frames that one of silence follows the longest utterance.
    samples=samples_of(202),
    labels=sample.LONGEST_LABELS,
    evaluation_frames=(102, 142),
)
MINI_EVAL_TRAIN_EXAMPLES = 200

# Targets were set by scripts/set_targets.py; sample/targets_*.json hold the runs.
MINI = {
    "librispeech_conformer": Facts(
        target=Target("wer_plain", "min", validation=0.2, test=0.2),
        limits=same_limits(step_hint=600, runtime_seconds=180.0),
        eval_period_seconds=3.0,
    ),
    "librispeech_deepspeech": Facts(
        target=Target("wer_plain", "min", validation=0.2, test=0.2),
        limits=same_limits(step_hint=600, runtime_seconds=180.0),
        eval_period_seconds=3.0,
    ),
}


def workload(name: str, scale: Scale) -> Workload:
    """The workload or variant of that name.

    Batch statistics of a Conformer are those of each replica unless a rule set has others; a
    DeepSpeech's are those of the global batch in every edition of the benchmark.
    """
    base, full = base_name(name), scale == "full"
    config: Config = CONFIGS[name] if full else MINI_CONFIGS[base]
    shapes = Shapes() if full else MINI_SHAPES
    corpus = LIBRISPEECH if full else sample.CORPUS
    eval_train_examples = EVAL_TRAIN_EXAMPLES if full else MINI_EVAL_TRAIN_EXAMPLES
    example = functools.partial(example_batch, shapes=shapes, pieces=config.pieces)
    synchronised = _statistics_are_global(config, "replica")
    model = _model(config, AXES if synchronised else (), example)

    def evaluate_batch(params: Params, model_state: ModelState, batch: Batch) -> Any:
        outputs = model.predict(params, model_state, batch)
        return evaluate(outputs, batch, frames=shapes.frames)

    return Workload(
        **described(name, scale, MINI[base]),
        loss_type=LossType.CTC_LOSS,
        batch_size=256 if full else 32,
        eval_batch_size=EVAL_BATCH_SIZES.get(name, 256) if full else 100,
        num_examples={**corpus.examples, "eval_train": eval_train_examples},
        default_dropout_rate=0.1,
        supports_label_smoothing=False,
        output_layers=("Dense_0",),
        init=model.init,
        apply=model.apply,
        loss=loss,
        eval=evaluate_batch,
        open_data=functools.partial(open_speech, corpus=corpus),
        dataset=functools.partial(
            dataset, shapes=shapes, eval_train_examples=eval_train_examples
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
