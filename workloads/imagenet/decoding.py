"""From records to batches of decoded images, ahead of use.

Threads read the records of a batch and hand them to a `tf.data` pipeline, which parses and decodes
them on all processors and joins them to the batch. The pipeline ends with its batch and calls
nothing back, so a process can end at any time, and an error of a record arrives where its batch is
asked for.
"""

import collections
import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from algoperf_jax.data.cpu_tensorflow import import_tensorflow
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
                ahead.append(self._start(some, size))
                if len(ahead) > BATCHES_AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for batch in ahead:
                batch.cancel()

    @property
    def _threads(self) -> int:
        if self.threads is not None:
            return self.threads
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

    def _start(self, examples: Examples, size: int) -> "Future[Decoded]":
        """Has threads read and decode a batch."""
        starts = range(0, len(examples.records), _RECORDS_PER_READ)
        parts = [examples.records[start : start + _RECORDS_PER_READ] for start in starts]
        readers = _executor("reading", READING_THREADS)
        content = [readers.submit(self.records.read, part) for part in parts]
        decoders = _executor("decoding", BATCHES_AHEAD + 1)
        return decoders.submit(self._decode, examples, content, size)

    def _decode(
        self, examples: Examples, content: "Sequence[Future[list[bytes]]]", size: int
    ) -> Decoded:
        """Decodes a batch when its records have been read."""
        tf = import_tensorflow()
        if not content:  # a process's part of the last batch may be padding alone
            side = self.preprocessing.image_size
            return _padded(np.zeros((0, side, side, 3), np.float32), np.zeros(0, np.int32), size)
        decode = _decoding(self.preprocessing, self.train, self._threads)
        payloads = list(itertools.chain.from_iterable(part.result() for part in content))
        try:
            images, labels = decode(tf.constant(payloads), tf.constant(examples.seeds))
        except _tensorflow_errors() as error:
            raise self._explained(examples, payloads, error) from None
        # Views of TensorFlow's memory: `numpy()` would copy.
        images, labels = images.__array__(), labels.__array__()
        wrong = np.flatnonzero((labels < 0) | (labels >= self.num_classes))
        if len(wrong):
            i = wrong[0]
            words = f"its label is {labels[i]}, it must be in 0..{self.num_classes - 1}"
            raise self._error(examples.records[i], payloads[i], words)
        return _padded(images, labels.astype(np.int32), size)

    def _explained(self, examples: Examples, payloads: list[bytes], error: Any) -> Exception:
        """The error of the first example of a batch that cannot be decoded by itself."""
        tf = import_tensorflow()
        decode = _decoding(self.preprocessing, self.train, self._threads)
        for record, seed, payload in zip(*examples, payloads, strict=True):
            try:
                decode(tf.constant([payload]), tf.constant(seed[None]))
            except _tensorflow_errors() as own:
                return self._error(record, payload, fault(payload, str(own)))
        return error

    def _error(self, record: int, payload: bytes, words: str) -> DataError:
        return DataError(
            f"{self.records.where(record)}{file_name(payload)}: {words}; {self.records.remedy}"
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
def _executor(purpose: str, threads: int) -> ThreadPoolExecutor:
    """Threads that all streams of the process share."""
    return ThreadPoolExecutor(threads, purpose)
