"""Random images in the form of a training batch, for measurements where there are no data."""

import numpy as np

from workloads.imagenet.dataset import Batch, Pipeline


def random_batch(batch_size: int, replicas: int, seed: int, *, pipeline: Pipeline) -> Batch:
    """A training batch of random pixels and classes, as `dataset` with that pipeline gives it."""
    rng = np.random.default_rng(seed)
    side = pipeline.preprocessing.image_size
    shape = (replicas, batch_size // replicas)
    augmented = pipeline.preprocessing.randaugment is not None
    pixels = rng.integers(0, 256, (*shape, side, side, 3), np.uint8)
    classes = rng.integers(0, pipeline.num_classes, shape, np.int32)
    batch = {
        "inputs": pixels if augmented else pixels.astype(np.float32),
        "targets": classes,
        "weights": np.ones(shape, np.float32),
    }
    if pipeline.mixup_alpha is not None:
        batch["mixup_weight"] = np.full(replicas, rng.random(), np.float32)
        batch["previous_input"] = np.roll(batch["inputs"][:, -1], 1, axis=0)
        batch["previous_target"] = np.roll(classes[:, -1], 1, axis=0)
    return batch
