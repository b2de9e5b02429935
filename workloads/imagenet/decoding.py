"""From records to arrays of decoded images, ahead of use, on threads of the process.

A batch is cut into chunks. Some threads read the chunks' records; others, one for each CPU, parse
and decode them in TensorFlow, one image after the other, and copy the images to their places in the
batch. TensorFlow calls nothing back, so a process can end at any time, and errors of a record
arrive where its batch is asked for.
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
from algoperf_jax.data.tfrecords import Records
from algoperf_jax.errors import DataError
from workloads.imagenet.faults import fault, file_name
from workloads.imagenet.images import Preprocessing, eval_image, train_image

BATCHES_AHEAD = 1
"""Batches that are built while another one is used."""

READING_THREADS = 16

# A chunk is what one thread holds beside the batch's own memory, twice for a moment.
_CHUNK_BYTES = 1 << 24
_CHUNK_IMAGES = 64  # enough to make the overhead of a call vanish


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
        ahead: collections.deque[_Batch] = collections.deque()
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

    def _start(self, examples: Examples, size: int) -> "_Batch":
        """Has the threads decode a batch."""
        side = self.preprocessing.image_size
        augmented = self.train and self.preprocessing.randaugment is not None
        allocated = np.empty if len(examples.records) == size else np.zeros
        images = allocated((size, side, side, 3), np.uint8 if augmented else np.float32)
        labels = allocated(size, np.int32)
        threads = self.threads or _cpus()
        share = -(-size // threads)
        chunk = max(1, min(share, _CHUNK_IMAGES, _CHUNK_BYTES // images[0].nbytes))
        readers, decoders = _executor("reading", READING_THREADS), _executor("decoding", threads)
        futures = []
        for begin in range(0, len(examples.records), chunk):
            part = slice(begin, min(begin + chunk, len(examples.records)))
            some = Examples(examples.records[part], examples.seeds[part])
            payloads = readers.submit(self.records.read, some.records)
            target = Decoded(images[part], labels[part])
            futures += [payloads, decoders.submit(self._decode, some, payloads, target)]
        return _Batch(Decoded(images, labels), futures)

    def _decode(self, examples: Examples, payloads: "Future[list[bytes]]", target: Decoded) -> None:
        """Decodes a chunk to its place in the batch."""
        tf = import_tensorflow()
        content = payloads.result()
        decode = _decoding(self.preprocessing, self.train)
        try:
            images, labels = decode(tf.constant(content), tf.constant(examples.seeds))
        except tf.errors.OpError as error:
            raise self._explained(examples, content, error) from None
        # Views of TensorFlow's memory: `numpy()` would copy once more.
        images, labels = images.__array__(), labels.__array__()
        wrong = np.flatnonzero((labels < 0) | (labels >= self.num_classes))
        if len(wrong):
            i = wrong[0]
            fault = f"its label is {labels[i]}, it must be in 0..{self.num_classes - 1}"
            raise self._error(examples.records[i], content[i], fault)
        np.copyto(target.images, images)
        np.copyto(target.labels, labels, casting="same_kind")

    def _explained(self, examples: Examples, content: list[bytes], error: Any) -> Exception:
        """The error of the first example of a chunk that cannot be decoded by itself."""
        tf = import_tensorflow()
        decode = _decoding(self.preprocessing, self.train)
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


class _Batch(NamedTuple):
    """A batch in the making."""

    decoded: Decoded
    work: "list[Future[Any]]"

    def result(self) -> Decoded:
        """The finished batch; raises the error of its first chunk that has one."""
        try:
            for future in self.work:
                future.result()
        finally:
            self.cancel()
        return self.decoded

    def cancel(self) -> None:
        """Drops what has not begun."""
        for future in self.work:
            future.cancel()


@functools.cache
def _decoding(preprocessing: Preprocessing, train: bool) -> Callable[[Any, Any], tuple[Any, Any]]:
    """The compiled function `(payloads [n], seeds [n, 2]) -> (images, labels int64 [n])`."""
    tf = import_tensorflow()
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    augmented = train and preprocessing.randaugment is not None

    def image(jpeg_and_seed: tuple[Any, Any]) -> Any:
        jpeg, seed = jpeg_and_seed
        if train:
            return train_image(jpeg, seed, preprocessing)
        return eval_image(jpeg, preprocessing)

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([None, 2], tf.int64)],
        autograph=False,
    )
    def decode(payloads: Any, seeds: Any) -> tuple[Any, Any]:
        parsed = tf.io.parse_example(payloads, features)
        images = tf.map_fn(
            image,
            (parsed["image"], seeds),
            fn_output_signature=tf.uint8 if augmented else tf.float32,
            parallel_iterations=1,  # the chunks are what runs in parallel
        )
        return images, parsed["label"]

    return decode


@functools.cache
def _executor(purpose: str, threads: int) -> ThreadPoolExecutor:
    """Threads that all streams of the process share."""
    return ThreadPoolExecutor(threads, purpose)


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
