"""The archives of LibriSpeech, and how much is in them.

Panayotov et al., "Librispeech: an ASR corpus based on public domain audio books" (2015).
"""

from algoperf_jax.data.download import Download
from workloads.librispeech.flac import SAMPLE_RATE

SAMPLE_BYTES = 2
"""Of each sample, 16 bits."""


def _archive(subset: str, size: int, sha256: str) -> Download:
    return Download(f"https://www.openslr.org/resources/12/{subset}.tar.gz", size, sha256)


ARCHIVES = {
    "dev-clean": _archive(
        "dev-clean",
        337_926_286,
        "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    ),
    "dev-other": _archive(
        "dev-other",
        314_305_928,
        "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365",
    ),
    "test-clean": _archive(
        "test-clean",
        346_663_984,
        "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
    ),
    "train-clean-100": _archive(
        "train-clean-100",
        6_387_309_499,
        "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
    ),
    "train-clean-360": _archive(
        "train-clean-360",
        23_049_477_885,
        "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf",
    ),
    "train-other-500": _archive(
        "train-other-500",
        30_593_501_606,
        "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2",
    ),
}
"""The archive of each subset that the benchmark uses."""

_HOURS = {
    "dev-clean": 5.4,
    "dev-other": 5.3,
    "test-clean": 5.4,
    "train-clean-100": 100.6,
    "train-clean-360": 363.6,
    "train-other-500": 496.7,
}  # table 1


def audio_bytes(subset: str) -> int:
    """Bytes of a subset's samples, long utterances included; no fewer than there are."""
    return round((_HOURS[subset] + 0.05) * 3_600) * SAMPLE_RATE * SAMPLE_BYTES
