"""The reference algorithms of the benchmark, each a short composition of optax pieces."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from algoperf_jax.errors import UserError
from algoperf_jax.registry import Entry, Registry

if TYPE_CHECKING:  # JAX is loaded with the first submission only
    from algoperf_jax.submission import Submission

PAPER_BASELINES = {
    "adamw": "AdamW with warm-up and cosine decay",
    "nadamw": "AdamW with Nesterov momentum, warm-up and cosine decay",
    "momentum": "SGD with heavy-ball momentum, warm-up and linear decay",
    "nesterov": "SGD with Nesterov momentum, warm-up and linear decay",
    "lamb": "LAMB with warm-up and cosine decay",
    "adafactor": "Adafactor with momentum, warm-up and cosine decay",
    "sam": "AdamW with sharpness-aware minimisation (two gradients a step)",
    "shampoo": "Shampoo grafted onto normalised RMSProp, warm-up and cosine decay",
}
"""Each comes with a second search space, which leaves beta1 alone, as `NAME_no_beta1`."""

OTHERS = {
    "shampoo_archived": (
        "shampoo:archived",
        "the benchmark's Shampoo baseline as it ran: normalised RMSProp",
    ),
    "shampoo_archived_no_beta1": (
        "shampoo:archived_no_beta1",
        "the same, beta1 not tuned",
    ),
    "qualification_external": (
        "qualification:external",
        "NAdamW at five published points (v0.5, v0.6)",
    ),
    "qualification_external_075": (
        "qualification:external_three_quarters",
        "the same, horizon at 0.75 of the step hint (v0.5)",
    ),
    "qualification_self": (
        "qualification:self_tuning",
        "NAdamW with one published point, self-tuning (v0.6)",
    ),
    "qualification_self_v05": (
        "qualification:self_tuning_v05",
        "the same with default dropout (v0.5)",
    ),
    "qualification_self_v05_075": (
        "qualification:self_tuning_v05_three_quarters",
        "the same with default dropout and horizon at 0.75 of the step hint (v0.5)",
    ),
    "distributed_shampoo": (
        "distributed_shampoo:submission",
        "distributed Shampoo at five published points (v0.5, v0.6)",
    ),
    "schedule_free_adamw": (
        "schedule_free_adamw:submission",
        "schedule-free AdamW at five published points (v0.5)",
    ),
    "schedule_free_adamw_self": (
        "schedule_free_adamw:self_tuning",
        "schedule-free AdamW that restarts when it is stuck, self-tuning (v0.5)",
    ),
    "schedule_free_prodigy": (
        "schedule_free_prodigy:submission",
        "schedule-free Prodigy, only its weight decay is tuned (v0.5)",
    ),
    "generalized_adam": (
        "generalized_adam:submission",
        "NAdamW or Nesterov momentum at five published points (v0.5)",
    ),
    "muon": ("muon:submission", "Muon for matrices, NAdamW for the rest, self-tuning"),
    "ademamix": ("ademamix:submission", "AdEMAMix with clipping, self-tuning"),
    "lion": ("lion:submission", "Lion with warm-up and cosine decay, self-tuning"),
    "cautious_nadamw": (
        "cautious_nadamw:submission",
        "NAdamW without the part that points against the gradient, self-tuning",
    ),
    "template": ("template:submission", "Adam with cosine decay, the file to begin from"),
}

TARGET_SETTING = (
    "criteo1tb",
    "fastmri",
    "imagenet_resnet",
    "imagenet_vit",
    "librispeech_conformer",
    "librispeech_deepspeech",
    "ogbg",
    "wmt",
)
"""Workloads whose target-setting configuration has a name; the module has those of variants too."""


def _entries() -> dict[str, Entry]:
    entries = {}
    for name, summary in PAPER_BASELINES.items():
        entries[name] = Entry(f"{__name__}.{name}:submission", summary)
    for name in PAPER_BASELINES:
        path = f"{__name__}.{name}:no_beta1"
        entries[f"{name}_no_beta1"] = Entry(path, f"{name} with beta1 not tuned")
    for name, (path, summary) in OTHERS.items():
        entries[name] = Entry(f"{__name__}.{path}", summary)
    for workload in TARGET_SETTING:
        entries[f"target_setting_{workload}"] = Entry(
            f"{__name__}.target_setting:{workload}",
            f"what set the target of {workload}; not a valid submission",
        )
    return entries


CATALOGUE = Registry(kind="submission", attribute="submission", entries=_entries())


def get(name: str) -> "Submission":
    """The `Submission` of that name, which remembers the file it was loaded from.

    Args:
      name: a name of the catalogue, `path/to/file.py`, or `package.module:NAME`; a file or module
        that names nothing else defines `submission`.

    Raises:
      UserError: there is no such submission.
    """
    from algoperf_jax.submission import Submission

    found, file = CATALOGUE.find(name)
    if not isinstance(found, Submission):
        raise UserError(f"submission {name!r}: expected a Submission, found {type(found).__name__}")
    found = dataclasses.replace(found, file=file)
    if found.name == Submission.name and ".py" in name:
        # Two unnamed files must not share a folder of records.
        found = dataclasses.replace(found, name=Path(name.partition(":")[0]).stem)
    return found
