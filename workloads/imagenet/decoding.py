"""From records to decoded images.

Threads read the records of a batch, and a `tf.data` pipeline parses and decodes them on all
processors and joins them. The pipeline ends with its batch and calls nothing back, so a process can
end at any time, and an error of a record arrives where its batch is asked for.
"""

import dataclasses
import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from algoperf_jax.data.cpu_tensorflow import import_tensorflow
from algoperf_jax.data.tfrecords import Records
from algoperf_jax.errors import DataError
from workloads.imagenet.diagnosis import diagnosis, file_name
from workloads.imagenet.images import Preprocessing, eval_image, train_image

READING_THREADS = 16

_RECORDS_PER_READ = 64  # enough to make the overhead of handing them to a thread vanish


class Decoded(NamedTuple):
    """The images of a batch.

    Attributes:
      images: `[n, size, size, 3]`: uint8 in training with RandAugment, else float32.
      labels: int32 `[n]`.
    """

    images: np.ndarray
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Decoder:
    """How the records of a split become images; making one compiles that in TensorFlow.

    Attributes:
      records: the split's records.
      preprocessing: from a JPEG file to an image.
      train: whether the image is cropped and augmented at random.
      num_classes: labels are from 0 to one less.
      threads: that decode; None: one for each CPU of this process. No influence on the images.
    """

    records: Records
    preprocessing: Preprocessing
    train: bool
    num_classes: int
    threads: int | None = None

    def __post_init__(self) -> None:
        # Here and not with the first batch, which is asked for on the clock.
        _decoding(self.preprocessing, self.train, self._threads)

    def decode(self, records: np.ndarray, seeds: np.ndarray) -> Decoded:
        """Returns the decoded examples, in their order.

        Args:
          records: int64 `[n]`, which records.
          seeds: int64 `[n, 2]`, what the random choices for each one derive from.

        Raises:
          DataError: a record cannot be read or does not hold what it should; names file and record.
        """
        tf = import_tensorflow()
        if not len(records):  # a process's part of the last batch may be padding alone
            side = self.preprocessing.image_size
            return Decoded(np.zeros((0, side, side, 3), np.float32), np.zeros(0, np.int32))
        starts = range(0, len(records), _RECORDS_PER_READ)
        parts = [records[start : start + _RECORDS_PER_READ] for start in starts]
        payloads = list(itertools.chain.from_iterable(_readers().map(self.records.read, parts)))
        decode = _decoding(self.preprocessing, self.train, self._threads)
        try:
            images, labels = decode(tf.constant(payloads), tf.constant(seeds))
        except _tensorflow_errors() as error:
            raise self._explained(records, seeds, payloads, error) from None
        # Views of TensorFlow's memory: `numpy()` would copy.
        images, labels = images.__array__(), labels.__array__()
        wrong = np.flatnonzero((labels < 0) | (labels >= self.num_classes))
        if len(wrong):
            i = wrong[0]
            words = f"its label is {labels[i]}, it must be in 0..{self.num_classes - 1}"
            raise self._error(records[i], payloads[i], words)
        return Decoded(images, labels.astype(np.int32))

    @property
    def _threads(self) -> int:
        if self.threads is not None:
            return self.threads
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    def _explained(
        self, records: np.ndarray, seeds: np.ndarray, payloads: list[bytes], error: Any
    ) -> Exception:
        """The error of the first example of a batch that cannot be decoded by itself."""
        tf = import_tensorflow()
        decode = _decoding(self.preprocessing, self.train, self._threads)
        for record, seed, payload in zip(records, seeds, payloads, strict=True):
            try:
                decode(tf.constant([payload]), tf.constant(seed[None]))
            except _tensorflow_errors() as own:
                return self._error(record, payload, diagnosis(payload, str(own)))
        return error

    def _error(self, record: int, payload: bytes, words: str) -> DataError:
        return DataError(
            f"{self.records.where(record)}{file_name(payload)}: {words}; {self.records.remedy}"
        )


@functools.cache
def _decoding(
    preprocessing: Preprocessing, train: bool, threads: int
) -> Callable[[Any, Any], tuple[Any, Any]]:
    """The compiled function `(payloads [n], seeds [n, 2]) -> (images, labels int64 [n])`."""
    tf = import_tensorflow()
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False  # threads are what is said here
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = 1

    def decode_one(payload: Any, seed: Any) -> tuple[Any, Any]:
        parsed = tf.io.parse_single_example(payload, features)
        if train:
            image = train_image(parsed["image"], seed, preprocessing)
        else:
            image = eval_image(parsed["image"], preprocessing)
        return image, parsed["label"]

    @tf.function(autograph=False)
    def decode(payloads: Any, seeds: Any) -> tuple[Any, Any]:
        # An iterator would be optimised anew for every batch, which costs more than it gains where
        # images are small.
        return (
            tf.data.Dataset.from_tensor_slices((payloads, seeds))
            .map(decode_one, num_parallel_calls=threads, deterministic=True)
            .batch(tf.shape(payloads, tf.int64)[0])
            .with_options(options)
            .get_single_element()
        )

    return decode.get_concrete_function(
        tf.TensorSpec([None], tf.string), tf.TensorSpec([None, 2], tf.int64)
    )


def _tensorflow_errors() -> tuple[type[Exception], ...]:
    """What TensorFlow raises for bad data; some messages quote them and so are no UTF-8 text."""
    return (import_tensorflow().errors.OpError, UnicodeDecodeError)


@functools.cache
def _readers() -> ThreadPoolExecutor:
    """Threads that all streams of the process share."""
    return ThreadPoolExecutor(READING_THREADS, "reading records")
