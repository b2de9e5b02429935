"""From records to batches of decoded images, one batch ahead of use.

A thread reads the records of a batch and hands them to a `tf.data` pipeline, which parses and
decodes them on all processors, each image into its place in the batch. The pipeline ends with its
batch and calls nothing back, so a process can end at any time, and an error of a record arrives
where its batch is asked for.
"""

import collections
import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from algoperf_jax.cpu_tensorflow import import_tensorflow
from algoperf_jax.data.tfrecords import Records
from algoperf_jax.errors import DataError
from workloads.imagenet.faults import fault, file_name
from workloads.imagenet.images import Preprocessing, eval_image, train_image

BATCHES_AHEAD = 1
"""Batches that are built while another one is used."""

READING_THREADS = 16

_RECORDS_PER_READ = 64  # enough to make the overhead of handing them to a thread vanish


class Examples(NamedTuple):
    """Some examples of a split.

    Attributes:
      records: int64 `[n]`, which records.
      seeds: int64 `[n, 2]`, what the random choices for each one derive from.
    """

    records: np.ndarray
    seeds: np.ndarray


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
    """How the records of a split become images.

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

    def batches(self, examples: Iterable[Examples], size: int) -> Iterator[Decoded]:
        """Yields the decoded examples, in order, while the next ones are being decoded.

        Threads work ahead of the caller, also while it does something else (an evaluation, with
        the clock standing), by `BATCHES_AHEAD` batches; then they sleep. So up to two more batches
        than that exist at a time: the one that is asked for, and one that the caller still has.

        Args:
          examples: those of each batch; may be endless.
          size: of a batch. Where there are fewer examples, zeros follow them.

        Raises:
          DataError: a record cannot be read or does not hold what it should; names file and record.
        """
        ahead: collections.deque[Future[Decoded]] = collections.deque()
        try:
            for some in examples:
                ahead.append(_threads("decoding", 1).submit(self._decode, some, size))
                if len(ahead) > BATCHES_AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for batch in ahead:
                batch.cancel()

    def _decode(self, examples: Examples, size: int) -> Decoded:
        """Reads and decodes a batch."""
        tf = import_tensorflow()
        content = self._read(examples.records)
        decode = _decoding(self.preprocessing, self.train, self.threads or _cpus())
        try:
            images, labels = decode(tf.constant(content), tf.constant(examples.seeds))
        except tf.errors.OpError as error:
            raise self._explained(examples, content, error) from None
        # Views of TensorFlow's memory: `numpy()` would copy.
        images, labels = images.__array__(), labels.__array__()
        wrong = np.flatnonzero((labels < 0) | (labels >= self.num_classes))
        if len(wrong):
            i = wrong[0]
            fault = f"its label is {labels[i]}, it must be in 0..{self.num_classes - 1}"
            raise self._error(examples.records[i], content[i], fault)
        return _padded(images, labels.astype(np.int32), size)

    def _read(self, records: np.ndarray) -> list[bytes]:
        """The payloads of records, read by several threads."""
        starts = range(0, len(records), _RECORDS_PER_READ)
        parts = [records[start : start + _RECORDS_PER_READ] for start in starts]
        read = _threads("reading", READING_THREADS).map(self.records.read, parts)
        return list(itertools.chain.from_iterable(read))

    def _explained(self, examples: Examples, content: list[bytes], error: Any) -> Exception:
        """The error of the first example of a batch that cannot be decoded by itself."""
        tf = import_tensorflow()
        decode = _decoding(self.preprocessing, self.train, 1)
        for record, seed, payload in zip(*examples, content, strict=True):
            try:
                decode(tf.constant([payload]), tf.constant(seed[None]))
            except tf.errors.OpError as own:
                return self._error(record, payload, fault(payload, own.message))
        return error

    def _error(self, record: int, payload: bytes, fault: str) -> DataError:
        return DataError(
            f"{self.records.where(record)}{file_name(payload)}: {fault}; {self.records.remedy}"
        )


def _padded(images: np.ndarray, labels: np.ndarray, size: int) -> Decoded:
    """A batch of that size, zeros behind what there is."""
    if len(labels) == size:
        return Decoded(images, labels)
    padded = Decoded(np.zeros((size, *images.shape[1:]), images.dtype), np.zeros(size, np.int32))
    padded.images[: len(labels)], padded.labels[: len(labels)] = images, labels
    return padded


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
    # Images are copied to their places in the batch by the threads that decode them.
    options.experimental_optimization.map_and_batch_fusion = True

    def decode_one(payload: Any, seed: Any) -> tuple[Any, Any]:
        parsed = tf.io.parse_single_example(payload, features)
        if train:
            image = train_image(parsed["image"], seed, preprocessing)
        else:
            image = eval_image(parsed["image"], preprocessing)
        return image, parsed["label"]

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([None, 2], tf.int64)],
        autograph=False,
    )
    def decode(payloads: Any, seeds: Any) -> tuple[Any, Any]:
        return (
            tf.data.Dataset.from_tensor_slices((payloads, seeds))
            .map(decode_one, num_parallel_calls=threads, deterministic=True)
            .batch(tf.shape(payloads, tf.int64)[0])
            .with_options(options)
            .get_single_element()
        )

    return decode


@functools.cache
def _threads(purpose: str, number: int) -> ThreadPoolExecutor:
    """Threads that all streams of the process share."""
    return ThreadPoolExecutor(number, purpose)


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
