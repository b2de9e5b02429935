"""What the benchmark fixes about every workload: targets, limits, evaluation periods.

One table, readable without loading a workload: the workloads take their facts at scale full from
here, and so does scoring. Source: the rules of the MLCommons AlgoPerf training-algorithms
benchmark, editions v0.5 and v0.6, and its round of 2026. Targets of error rates are stated as
accuracies.
"""

import math
from typing import Any

from algoperf_jax.rules import Facts, Limits, Target

_RULES = ("v0.5", "v0.6", "v0.6-a100")


def _base(
    metric: str,
    direction: str,
    targets: tuple[float, float],
    *limits: tuple[int, float, float] | None,
    qualification: bool = False,
) -> Facts:
    """Facts of a base workload.

    Args:
      metric, direction, targets: metric, `"max"` or `"min"`, (validation, test).
      limits: of each of `_RULES`: step hint, runtime and evaluation period in seconds; None where
        the rules do not have the workload.
      qualification: whether it is in the qualification set.
    """
    by_rules = zip(_RULES, limits, strict=True)
    return Facts(
        target=Target(metric, direction, *targets),
        limits={rules: Limits(*found) for rules, found in by_rules if found is not None},
        qualification=qualification,
    )


BASE = {
    "criteo1tb": _base(
        *("loss", "min", (0.123735, 0.126041)),
        (10_666, 7703, 120),
        (10_666, 7703, 120),
        (10_666, 8915, 356),
        qualification=True,
    ),
    "fastmri": _base(
        *("ssim", "max", (0.723653, 0.740633)),
        (36_189, 8859, 80),
        (18_094, 4430, 80),
        (18_094, 2745, 110),
    ),
    "imagenet_resnet": _base(
        *("accuracy", "max", (1 - 0.22569, 1 - 0.3440)),
        (186_666, 63_008, 510),
        (195_999, 66_159, 510),
        (195_999, 49_918, 1996),
    ),
    "imagenet_vit": _base(
        *("accuracy", "max", (1 - 0.22691, 1 - 0.3481)),
        (186_666, 77_520, 420),
        (167_999, 69_768, 420),
        (167_999, 64_292, 2571),
    ),
    "librispeech_conformer": _base(
        *("wer", "min", (0.085884, 0.052981)),
        (80_000, 61_068, 1440),
        (76_000, 58_015, 1440),
        (76_000, 43_680, 1747),
    ),
    "librispeech_deepspeech": _base(
        *("wer", "min", (0.119936, 0.074143)),
        (48_000, 55_506, 1440),
        (38_400, 44_405, 1440),
        (38_400, 36_949, 1447),
    ),
    "ogbg": _base(
        *("mean_average_precision", "max", (0.28098, 0.268729)),
        (80_000, 18_477, 240),
        (52_000, 12_011, 240),
        (52_000, 11_303, 452),
        qualification=True,
    ),
    "wmt": _base(
        *("bleu", "max", (30.8491, 30.7219)),
        (133_333, 48_151, 840),
        (120_000, 43_336, 840),
        (120_000, 16_114, 644),
        qualification=True,
    ),
    # It has no test split; a target that every value meets takes its place.
    "finewebedu_lm": _base(
        *("ppl", "min", (22.2995, math.inf)), None, None, (72_000, 31_967, 2571)
    ),
}

_VARIANT_TARGETS = {
    "criteo1tb_layernorm": (0.123757, 0.126152),
    "criteo1tb_embed_init": (0.129657, 0.131967),
    "criteo1tb_resnet": (0.12415, 0.12648),
    "fastmri_model_size": (0.723559, 0.740726),
    "fastmri_tanh": (0.717840, 0.734505),
    "fastmri_layernorm": (0.723284, 0.739996),
    "imagenet_resnet_silu": (0.75445, 0.6323),
    "imagenet_resnet_gelu": (0.76765, 0.6519),
    "imagenet_resnet_large_bn_init": (0.76526, 0.6423),
    "imagenet_vit_glu": (0.75738, 0.6359),
    "imagenet_vit_post_ln": (0.75312, 0.6286),
    "imagenet_vit_map": (0.77113, 0.6523),
    "librispeech_conformer_attention_temperature": (0.109977, 0.068065),
    "librispeech_conformer_layernorm": (0.09731, 0.05996),
    "librispeech_conformer_gelu": (0.094114, 0.056629),
    "librispeech_deepspeech_tanh": (0.150883, 0.098613),
    "librispeech_deepspeech_no_resnet": (0.131564, 0.079297),
    "librispeech_deepspeech_norm_and_spec_aug": (0.14342, 0.090976),
    "ogbg_gelu": (0.27771, 0.262926),
    "ogbg_silu": (0.282178, 0.272144),
    "ogbg_model_size": (0.269446, 0.253051),
    "wmt_post_ln": (30.0779, 29.8982),
    "wmt_attention_temp": (29.3379, 29.4143),
    "wmt_glu_tanh": (29.5779, 29.0515),
}

HELD_OUT = (
    "librispeech_conformer_layernorm",
    "imagenet_resnet_large_bn_init",
    "ogbg_model_size",
    "wmt_glu_tanh",
    "fastmri_tanh",
    "criteo1tb_embed_init",
)
"""The variants drawn, one per data set, for the scoring of v0.5."""


def base_name(name: str) -> str:
    """The base workload of a workload or variant; its own name where it is none of the table's."""
    return next((base for base in BASE if name == base or name.startswith(f"{base}_")), name)


def _variant(name: str, targets: tuple[float, float]) -> Facts:
    base = BASE[base_name(name)]
    return Facts(
        target=Target(base.target.metric, base.target.direction, *targets),
        limits=base.limits,
        base_name=base_name(name),
        held_out=name in HELD_OUT,
    )


FACTS = {**BASE, **{name: _variant(name, t) for name, t in _VARIANT_TARGETS.items()}}


def described(name: str, scale: str, mini: Facts) -> dict[str, Any]:
    """The fields of a `Workload` that say which one it is and what its trials are held to.

    Args:
      name: of the workload or variant.
      scale: `"full"` takes the facts from the table.
      mini: the facts at scale mini.
    """
    facts = FACTS[name] if scale == "full" else mini
    return {
        "name": name,
        "base_name": base_name(name),
        "scale": scale,
        "target": facts.target,
        "limits": facts.limits,
    }
