"""How fast the training pipeline is, beside the plain decoding and resizing that limits it."""

import dataclasses
import functools
import time
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_jax.data.batch_cache import BatchCache
from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from algoperf_jax.data.tfds_folder import NewSplit, write_dataset
from algoperf_jax.workload import Workload
from workloads.imagenet.dataset import ImagenetData, Pipeline, dataset
from workloads.imagenet.files import IMAGENET, STORED, features
from workloads.imagenet.images import decode, random_box, resize

HEIGHT, WIDTH = 375, 500
QUALITY = 88
"""With it the photographs below take about 110 kB each, as ImageNet's do on average."""

DIFFERENT_IMAGES = 256
BATCH_SIZE = 64
WARM_UP_BATCHES = 2


class Throughput:
    """Measures a workload's training pipeline on made-up photographs of ImageNet's size.

    Figures are images per second of processor time, summed over all threads of the process: what
    one core does, whatever else the machine is doing.
    """

    unit = "images"
    count = 512
    """Images per measurement that give steady figures."""

    def __init__(self, workload: Workload, folder: Path):
        """Writes the photographs, as files of ImageNet, to an empty folder."""
        whole: Any = workload.dataset
        pipeline: Pipeline = whole.keywords["pipeline"]
        self._pipeline = dataclasses.replace(pipeline, threads=1)
        self._jpegs = [_photograph(i) for i in range(DIFFERENT_IMAGES)]
        size = sum(map(len, self._jpegs)) / len(self._jpegs)
        self.description = f"files of {size / 1e3:.0f} kB"
        _write(self._jpegs, folder)
        records = STORED.in_data_dir(folder).records
        self._data = ImagenetData(records, BatchCache(0))

    def pipeline(self, count: int) -> float:
        """Images per second through `dataset`: reading, parsing, decoding, augmenting, batching."""
        share = BatchShare.whole(BATCH_SIZE)
        batches = dataset("train", self._data, share, seed=0, pipeline=self._pipeline)
        return _rate(batches, count)

    def yardstick(self, count: int) -> float:
        """Images per second of decoding and resizing alone, with boxes drawn beforehand."""
        tf = import_tensorflow()
        preprocessing = self._pipeline.preprocessing
        size = preprocessing.image_size
        seeds = np.stack([np.zeros(DIFFERENT_IMAGES), np.arange(DIFFERENT_IMAGES)], axis=1)
        draw = functools.partial(random_box, [HEIGHT, WIDTH, 3], preprocessing=preprocessing)
        boxes = tf.stack([draw(tf.constant(seed, tf.int64)) for seed in seeds])
        examples = tf.data.Dataset.from_tensor_slices((self._jpegs, boxes)).repeat()
        options = tf.data.Options()
        options.autotune.enabled = False
        options.threading.private_threadpool_size = 1
        options.threading.max_intra_op_parallelism = 1
        batches = (
            examples.map(lambda jpeg, box: resize(decode(jpeg, box), size))
            .batch(BATCH_SIZE)
            .with_options(options)
        )
        return _rate(batches.as_numpy_iterator(), count)


def _rate(batches: Any, images: int) -> float:
    for _ in range(WARM_UP_BATCHES):
        next(batches)
    count = -(-images // BATCH_SIZE)
    began = time.process_time()
    for _ in range(count):
        next(batches)
    return count * BATCH_SIZE / (time.process_time() - began)


def _photograph(number: int) -> bytes:
    """A JPEG file with as much detail as a photograph: noise whose power falls with frequency."""
    tf = import_tensorflow()
    rng = np.random.default_rng(number)
    rows, columns = np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None]
    falling = 1 / np.maximum(np.hypot(rows, columns), 1 / WIDTH)
    spectrum = np.fft.rfft2(rng.standard_normal((3, HEIGHT, WIDTH))) * falling
    waves = np.fft.irfft2(spectrum, (HEIGHT, WIDTH))
    grey, colour = waves[:1], waves
    image = 128 + 50 * (grey / grey.std() + 0.3 * colour / colour.std())
    pixels = np.clip(image, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return tf.io.encode_jpeg(pixels, quality=QUALITY).numpy()


def _write(jpegs: list[bytes], folder: Path) -> None:
    files = dataclasses.replace(IMAGENET, shards={"train": 8})

    def example(i: int) -> dict[str, Any]:
        return {"image": jpegs[i], "label": i % 1000, "file_name": f"{i}.JPEG"}

    split = NewSplit([str(i) for i in range(len(jpegs))], example)
    import_tensorflow()
    write_dataset(files, folder, {"train": split}, features([f"n{i:08d}" for i in range(1000)]))
