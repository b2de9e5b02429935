"""From records to decoded images: one `tf.data` pipeline that reads, parses, decodes and batches.

The pipeline works ahead on threads of its own. What it holds at any time is bounded: two chunks of
records, one batch being built, `BATCHES_AHEAD` built ones. It goes on up to that bound while its
caller does something else (an evaluation, say) and then sleeps.
"""

import collections
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from algoperf_jax.cpu_tensorflow import import_tensorflow
from algoperf_jax.data.tfrecords import Records
from algoperf_jax.errors import DataError

BATCHES_AHEAD = 1
"""Finished batches that wait; at full scale a batch takes 617 MB."""

RECORDS_PER_CHUNK = 128
"""Records that are read together: enough to share the overhead, few enough to begin early."""

_ENDLESS = 2**62


class Examples(NamedTuple):
    """Some examples of a split.

    Attributes:
      records: int64 `[n]`, which records.
      seeds: int64 `[n, 2]`, what the random choices for each one derive from.
    """

    records: np.ndarray
    seeds: np.ndarray


class Decoded(NamedTuple):
    """A batch as it comes out of the pipeline; read-only views of TensorFlow's memory.

    Attributes:
      images: `[n, size, size, 3]`.
      labels: int32 `[n]`.
    """

    images: np.ndarray
    labels: np.ndarray


class DecodedBatches:
    """An iterator of decoded batches; equal arguments give equal batches on any number of threads.

    It ends with its examples. An example that cannot be decoded is an error, never left out.
    """

    def __init__(
        self,
        records: Records,
        examples: Iterable[Examples],
        image: Callable[[Any, Any], Any],
        *,
        batch_size: int,
        num_classes: int,
        threads: int | None = None,
    ):
        """Builds the pipeline; nothing is read before the first batch is asked for.

        Args:
          records: the split's records.
          examples: what to decode, in order, in parts of any size; may be endless.
          image: `(jpeg, seed) -> image`, in TensorFlow.
          batch_size: images in a batch; the last one may have fewer.
          num_classes: labels are from 0 to one less.
          threads: that decode; default: one for each CPU of this process.
        """
        self._records = records
        self._image = image
        self._batch_size = batch_size
        self._num_classes = num_classes
        self._chunks = _chunks(examples)
        self._pending: collections.deque[tuple[int, np.ndarray]] = collections.deque()
        self._reading_error: Exception | None = None
        self._pipeline = self._build(threads or _cpus())
        self._batches: Iterator[Any] | None = None

    def __iter__(self) -> "DecodedBatches":
        return self

    def __next__(self) -> Decoded:
        """The next batch.

        Raises:
          DataError: a record cannot be read or does not hold what it should; names file and record.
        """
        tf = import_tensorflow()
        if self._batches is None:
            self._batches = self._pipeline.as_numpy_iterator()
        try:
            batch = Decoded(*next(self._batches))
        except tf.errors.OpError as error:
            if self._reading_error is not None:
                raise self._reading_error from None
            raise self._explained(error) from None
        done = [self._pending.popleft() for _ in range(len(batch.labels))]
        wrong = np.flatnonzero((batch.labels < 0) | (batch.labels >= self._num_classes))
        if len(wrong):
            raise self._wrong(done[wrong[0]][0], self._label_fault(int(batch.labels[wrong[0]])))
        return batch

    def _build(self, threads: int) -> Any:
        tf = import_tensorflow()

        def read(_: Any) -> Any:
            payloads, seeds = tf.numpy_function(self._read, [], [tf.string, tf.int64])
            return tf.ensure_shape(payloads, [None]), tf.ensure_shape(seeds, [None, 2])

        def decode(payload: Any, seed: Any) -> Any:
            parsed = tf.io.parse_single_example(payload, _features())
            return self._image(parsed["image"], seed), tf.cast(parsed["label"], tf.int32)

        options = tf.data.Options()
        options.deterministic = True
        # Buffers and threads are what is said here, not what a tuner finds in the course of time.
        options.autotune.enabled = False
        options.threading.private_threadpool_size = threads
        options.threading.max_intra_op_parallelism = 1
        # Images are copied to their place in the batch by the threads that decode them.
        options.experimental_optimization.map_and_batch_fusion = True
        return (
            tf.data.Dataset.range(_ENDLESS)
            .map(read)
            .take_while(lambda payloads, _: tf.size(payloads) > 0)
            .prefetch(1)
            .unbatch()
            .map(decode, num_parallel_calls=threads, deterministic=True)
            .batch(self._batch_size)
            .prefetch(BATCHES_AHEAD)
            .with_options(options)
        )

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        """The payloads and seeds of the next chunk; none at the end."""
        try:
            chunk = next(self._chunks, None)
            if chunk is None:
                return np.empty(0, object), np.empty((0, 2), np.int64)
            payloads = np.empty(len(chunk.records), object)
            payloads[:] = self._records.read(chunk.records)
        except Exception as error:
            self._reading_error = error
            raise
        self._pending.extend(zip(chunk.records.tolist(), chunk.seeds, strict=True))
        return payloads, chunk.seeds

    def _explained(self, error: Any) -> Exception:
        """The error of the first pending example that is not as it should be."""
        for record, seed in list(self._pending):
            fault = self._fault(self._records.read(np.array([record]))[0], seed)
            if fault:
                return self._wrong(record, fault)
        return error

    def _wrong(self, record: int, fault: str) -> DataError:
        name = _file_name(self._records.read(np.array([record]))[0])
        return DataError(f"{self._records.where(record)}{name}: {fault}; {self._records.remedy}")

    def _fault(self, payload: bytes, seed: np.ndarray) -> str | None:
        """Says what is wrong with a record, or None."""
        tf = import_tensorflow()
        try:
            parsed = tf.io.parse_single_example(payload, _features())
        except tf.errors.OpError:
            return _feature_fault(payload)
        try:
            self._image(parsed["image"], tf.constant(seed, tf.int64))
        except tf.errors.OpError as error:
            return _image_fault(parsed["image"].numpy(), error.message)
        return self._label_fault(int(parsed["label"]))

    def _label_fault(self, label: int) -> str | None:
        if 0 <= label < self._num_classes:
            return None
        return f"label {label} is not in 0..{self._num_classes - 1}"


def _chunks(examples: Iterable[Examples]) -> Iterator[Examples]:
    for records, seeds in examples:
        for begin in range(0, len(records), RECORDS_PER_CHUNK):
            part = slice(begin, begin + RECORDS_PER_CHUNK)
            yield Examples(records[part], seeds[part])


def _features() -> dict[str, Any]:
    tf = import_tensorflow()
    return {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }


def _feature_fault(payload: bytes) -> str:
    """Says why a record could not be parsed."""
    tf = import_tensorflow()
    try:
        found = tf.train.Example.FromString(payload).features.feature
    except Exception as error:  # protobuf's implementations differ in what they raise
        return f"it is not a tf.train.Example ({error})"
    for name, kind in (("image", "bytes_list"), ("label", "int64_list")):
        values = getattr(found[name], kind).value if name in found else None
        if values is None:
            return f"it has no feature {name!r}, only {', '.join(sorted(found)) or 'none'}"
        if len(values) != 1:
            return f"feature {name!r} has {len(values)} values in its {kind}, it must have one"
    return "it cannot be parsed"


def _image_fault(image: bytes, message: str) -> str:
    """Says why an image could not be decoded."""
    if image.startswith(b"\x89PNG"):
        return "its image is a PNG file, it must be a JPEG file"
    if not image.startswith(b"\xff\xd8"):
        return f"its image is not a JPEG file; it begins with {image[:4]!r}"
    if not image.rstrip(b"\0").endswith(b"\xff\xd9"):
        return f"its image is a JPEG file that ends early, after {len(image)} bytes"
    return f"its image cannot be decoded ({message.splitlines()[0]})"


def _file_name(payload: bytes) -> str:
    """Returns ` (name)` of the image file that a record was made of, or nothing."""
    tf = import_tensorflow()
    try:
        names = tf.train.Example.FromString(payload).features.feature["file_name"].bytes_list.value
    except Exception:  # protobuf's implementations differ in what they raise
        return ""
    return f" ({names[0].decode(errors='replace')})" if names else ""


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
