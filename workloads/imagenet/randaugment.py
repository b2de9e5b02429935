"""RandAugment: random image operations, as the benchmark's ViT workload applies them."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class RandAugment:
    layers: int = 2
    magnitude: float = 10.0
    translate_pixels: float = 100.0
    cutout_half_size: float = 40.0


def randaugment(image: Any, seed: Any, config: RandAugment) -> Any:
    raise NotImplementedError
