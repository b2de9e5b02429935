"""From records to batches of decoded images, ahead of use, on threads of the process.

A batch is cut into chunks. Some threads read the chunks' records; others, one for each CPU, decode
them in TensorFlow, one image after the other, and copy the images to their places in the batch. So
no step on the way has to wait for a single thread, however many CPUs there are. TensorFlow calls
nothing back, so a process can end at any time, and an error of a record arrives where its batch is
asked for.
"""

import collections
import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from algoperf_jax.cpu_tensorflow import import_tensorflow
from algoperf_jax.data.reused_memory import ReusedMemory
from algoperf_jax.data.tfrecords import Records
from algoperf_jax.errors import DataError
from workloads.imagenet.faults import fault, file_name
from workloads.imagenet.images import Preprocessing, eval_image, train_image

BATCHES_AHEAD = 1
"""Batches that are built while another one is used."""

CHUNK_IMAGES = 64
"""Most images that are decoded together. While it works on them, a thread holds them once or twice
beside the batch; all threads together hold no more than two batches so."""

READING_THREADS = 16


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
        _decoding(self.preprocessing, self.train)

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
        decode = _decoding(self.preprocessing, self.train)
        memory = ReusedMemory()
        ahead: collections.deque[_Batch] = collections.deque()
        try:
            for some in examples:
                ahead.append(self._start(some, size, memory, decode))
                if len(ahead) > BATCHES_AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for batch in ahead:
                batch.cancel()

    def _start(
        self, examples: Examples, size: int, memory: ReusedMemory, decode: "_Decode"
    ) -> "_Batch":
        """Has the threads build a batch."""
        count, side = len(examples.records), self.preprocessing.image_size
        augmented = self.train and self.preprocessing.randaugment is not None
        images = memory.empty((size, side, side, 3), np.uint8 if augmented else np.float32)
        images[count:] = 0
        labels = np.zeros(size, np.int32)
        threads = self.threads or _cpus()
        readers, decoders = _executor("reading", READING_THREADS), _executor("decoding", threads)
        chunk = min(-(-size // threads), CHUNK_IMAGES)
        work: list[Future[Any]] = []
        for begin in range(0, count, chunk):
            part = slice(begin, min(begin + chunk, count))
            some = Examples(examples.records[part], examples.seeds[part])
            target = Decoded(images[part], labels[part])
            content = readers.submit(self.records.read, some.records)
            work += [content, decoders.submit(self._decode, some, content, target, decode)]
        return _Batch(Decoded(images, labels), work)

    def _decode(
        self,
        examples: Examples,
        content: "Future[list[bytes]]",
        target: Decoded,
        decode: "_Decode",
    ) -> None:
        """Decodes a chunk to its place in the batch."""
        tf = import_tensorflow()
        payloads = content.result()
        try:
            images, labels = decode(tf.constant(payloads), tf.constant(examples.seeds))
        except _tensorflow_errors() as error:
            raise self._explained(examples, payloads, error, decode) from None
        # Views of TensorFlow's memory: `numpy()` would copy once more.
        images, labels = images.__array__(), labels.__array__()
        wrong = np.flatnonzero((labels < 0) | (labels >= self.num_classes))
        if len(wrong):
            i = wrong[0]
            words = f"its label is {labels[i]}, it must be in 0..{self.num_classes - 1}"
            raise self._error(examples.records[i], payloads[i], words)
        np.copyto(target.images, images)
        np.copyto(target.labels, labels, casting="same_kind")

    def _explained(
        self, examples: Examples, payloads: list[bytes], error: Any, decode: "_Decode"
    ) -> Exception:
        """The error of the first example of a chunk that cannot be decoded by itself."""
        tf = import_tensorflow()
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


class _Batch(NamedTuple):
    """A batch in the making.

    Attributes:
      decoded: its arrays, complete when all the work is done.
      work: what threads do for it.
    """

    decoded: Decoded
    work: "list[Future[Any]]"

    def result(self) -> Decoded:
        """Waits for the batch; raises the first error that building it met with."""
        try:
            for future in self.work:
                future.result()
        finally:
            self.cancel()
        return self.decoded

    def cancel(self) -> None:
        """Drops the work that has not begun."""
        for future in self.work:
            future.cancel()


_Decode = Callable[[Any, Any], tuple[Any, Any]]


@functools.cache
def _decoding(preprocessing: Preprocessing, train: bool) -> _Decode:
    """The compiled function `(payloads [n], seeds [n, 2]) -> (images, labels int64 [n])`."""
    tf = import_tensorflow()
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    augmented = train and preprocessing.randaugment is not None

    def decode_one(payload_and_seed: tuple[Any, Any]) -> tuple[Any, Any]:
        payload, seed = payload_and_seed
        parsed = tf.io.parse_single_example(payload, features)
        if train:
            image = train_image(parsed["image"], seed, preprocessing)
        else:
            image = eval_image(parsed["image"], preprocessing)
        return image, parsed["label"]

    @tf.function(autograph=False)
    def decode(payloads: Any, seeds: Any) -> tuple[Any, Any]:
        return tf.map_fn(
            decode_one,
            (payloads, seeds),
            fn_output_signature=(tf.uint8 if augmented else tf.float32, tf.int64),
            parallel_iterations=1,  # the chunks are what runs in parallel
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


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
