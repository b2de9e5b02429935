"""Random access to the records of TFRecord files, and the files of TensorFlow Datasets.

A TFRecord file is a sequence of: length (uint64), masked CRC-32C of these eight bytes (uint32),
payload, masked CRC-32C of the payload (uint32), all little-endian. Both checksums are verified.
"""

import concurrent.futures
import dataclasses
import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import google_crc32c
import numpy as np

from algoperf_jax.errors import DataError

_SCANNING_THREADS = 16
_HEADER = 12
_FOOTER = 4
_MASK_DELTA = 0xA282EAD8


@dataclasses.dataclass(frozen=True)
class Records:
    """The records of a split, numbered through all its files.

    Attributes:
      paths: the files.
      starts: int64 `[files + 1]`, records before each file.
      offsets: int64 `[records]`, where each payload begins in its file, in bytes.
      lengths: int64 `[records]`, bytes of each payload.
      remedy: what a person can do about a damaged file, for error messages.
    """

    paths: tuple[Path, ...]
    starts: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    remedy: str

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def records_per_file(self) -> list[int]:
        """Records in each file."""
        return np.diff(self.starts).tolist()

    def where(self, record: int) -> str:
        """Names a record for a person: its file, and its number in there, counted from 0."""
        file = int(np.searchsorted(self.starts, record, side="right")) - 1
        return f"{self.paths[file]}, record {record - self.starts[file]}"

    def read(self, ids: np.ndarray) -> list[bytes]:
        """Returns the payloads of the records `ids`, int64 `[n]`, in this order.

        Files are opened for the call only and one at a time. Any number of threads may read.

        Raises:
          DataError: a file is gone or changed, or a payload's checksum does not fit.
        """
        ids = np.asarray(ids, np.int64)
        payloads = [b""] * len(ids)
        by_place = np.argsort(ids, kind="stable")
        files = np.searchsorted(self.starts, ids[by_place], side="right") - 1
        for file in np.unique(files).tolist():
            places = by_place[files == file]
            for place, payload in zip(
                places.tolist(), self._read_from(file, ids[places]), strict=True
            ):
                payloads[place] = payload
        return payloads

    def _read_from(self, file: int, ids: np.ndarray) -> list[bytes]:
        try:
            descriptor = os.open(self.paths[file], os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DataError(
                f"{self.paths[file]} cannot be opened ({error.strerror}); {self.remedy}"
            ) from None
        try:
            return [
                self._payload(descriptor, record, length, offset)
                for record, length, offset in zip(
                    ids.tolist(),
                    self.lengths[ids].tolist(),
                    self.offsets[ids].tolist(),
                    strict=True,
                )
            ]
        finally:
            os.close(descriptor)

    def _payload(self, descriptor: int, record: int, length: int, offset: int) -> bytes:
        try:
            payload = os.pread(descriptor, length, offset)
            footer = os.pread(descriptor, _FOOTER, offset + length)
        except OSError as error:
            raise DataError(
                f"{self.where(record)} cannot be read ({error.strerror}); {self.remedy}"
            ) from None
        if footer != _masked(google_crc32c.value(payload)).to_bytes(_FOOTER, "little"):
            raise DataError(
                f"{self.where(record)} is damaged: its content does not fit its checksum; "
                f"{self.remedy}"
            )
        return payload


def open_records(paths: Sequence[Path], counts: Sequence[int], remedy: str) -> Records:
    """Finds the records of TFRecord files.

    The files' headers are read once; the lengths are kept beside the files where their folder can
    be written to, and used as long as sizes and times of the files stay the same.

    Args:
      paths: the files.
      counts: how many records each of them should have.
      remedy: what to do about a damaged file, the end of error messages.

    Raises:
      DataError: a file is missing or damaged or has another number of records; names it.
    """
    paths = tuple(Path(path) for path in paths)
    state = np.array([_size_and_time(path, remedy) for path in paths], np.int64).reshape(-1, 2)
    kept = paths[0].parent / f"{paths[0].name.split('.')[0]}.record_lengths.npz"
    found = _kept_lengths(kept, paths, state)
    if found is None:
        found = _scanned_lengths(paths, state[:, 0], remedy)
        _keep(kept, paths, state, found)
    lengths, files = found
    for path, records, expected in zip(paths, files.tolist(), counts, strict=True):
        if records != expected:
            raise DataError(
                f"{path} has {records} records, dataset_info.json says {expected}; {remedy}"
            )
    starts = np.concatenate([[0], np.cumsum(files)]).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(lengths + (_HEADER + _FOOTER))])
    offsets = ends[:-1] - np.repeat(ends[starts[:-1]], files) + _HEADER
    return Records(paths, starts, offsets, lengths, remedy)


def tfds_shards(folder: Path, name: str, split: str, remedy: str) -> tuple[list[Path], list[int]]:
    """Returns a split's files and the records in each, as TensorFlow Datasets wrote them.

    Args:
      folder: the data set's folder, with `dataset_info.json`.
      name: the data set's name, with which its files' names begin.
      split: the split's name.
      remedy: what to do about a missing file, the end of error messages.

    Raises:
      DataError: `dataset_info.json` or one of the files is missing or makes no sense.
    """
    info = folder / "dataset_info.json"
    try:
        splits = {entry["name"]: entry for entry in json.loads(info.read_bytes())["splits"]}
        counts = [int(length) for length in splits[split]["shardLengths"]]
    except FileNotFoundError:
        raise DataError(f"{info} is missing; {remedy}") from None
    except OSError as error:
        raise DataError(f"{info} cannot be read ({error.strerror}); {remedy}") from None
    except KeyError as error:
        raise DataError(
            f"{info} does not tell the shards of split {split!r}: it has no {error}; {remedy}"
        ) from None
    except (ValueError, TypeError) as error:
        raise DataError(f"{info} is damaged ({error}); {remedy}") from None
    stem = f"{name}-{split}.tfrecord"
    paths = [folder / f"{stem}-{k:05d}-of-{len(counts):05d}" for k in range(len(counts))]
    for path in paths:
        if not path.exists():
            raise DataError(f"{path} is missing; {remedy}")
    if not sum(counts):
        raise DataError(f"{info}: split {split!r} has no records; {remedy}")
    return paths, counts


def _size_and_time(path: Path, remedy: str) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        raise DataError(f"{path} is missing; {remedy}") from None
    return status.st_size, status.st_mtime_ns


def _kept_lengths(
    kept: Path, paths: Sequence[Path], state: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns what `_keep` wrote, unless it is unreadable or about other files."""
    try:
        with np.load(kept) as arrays:
            same = arrays["names"].tolist() == [path.name for path in paths]
            if same and np.array_equal(arrays["state"], state):
                return arrays["lengths"].astype(np.int64), arrays["files"].astype(np.int64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # it only saves time
    return None


def _keep(
    kept: Path, paths: Sequence[Path], state: np.ndarray, found: tuple[np.ndarray, np.ndarray]
) -> None:
    lengths, files = found
    small = np.uint32 if lengths.max(initial=0) < 2**32 else np.int64
    try:
        with tempfile.NamedTemporaryFile(
            dir=kept.parent, prefix=f".{kept.name}-", delete=False
        ) as file:
            np.savez(
                file,
                names=np.array([path.name for path in paths]),
                state=state,
                lengths=lengths.astype(small),
                files=files,
            )
        os.chmod(file.name, 0o644)
        os.replace(file.name, kept)
    except OSError:
        pass  # a read-only folder: the headers are read again next time


def _scanned_lengths(
    paths: Sequence[Path], sizes: np.ndarray, remedy: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the payloads' lengths through all files, and the records in each file."""
    tasks = [(path, size, remedy) for path, size in zip(paths, sizes.tolist(), strict=True)]
    with concurrent.futures.ThreadPoolExecutor(_SCANNING_THREADS) as threads:
        parts = list(threads.map(lambda task: _scan(*task), tasks))
    return np.concatenate(parts), np.array([len(part) for part in parts], np.int64)


def _scan(path: Path, size: int, remedy: str) -> np.ndarray:
    """Returns the lengths of a file's payloads, int64, from the records' headers alone."""
    headers = []
    offset = 0
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if hasattr(os, "posix_fadvise"):  # else the kernel reads everything between the headers
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        while offset < size:
            header = os.pread(descriptor, _HEADER, offset)
            if len(header) < _HEADER:
                break
            headers.append(header)
            offset += int.from_bytes(header[:8], "little") + _HEADER + _FOOTER
    finally:
        os.close(descriptor)
    table = np.frombuffer(b"".join(headers), np.uint8).reshape(-1, _HEADER)
    stored = np.ascontiguousarray(table[:, 8:]).view("<u4")[:, 0]
    wrong = np.flatnonzero(_masked_array(_crc32c(table[:, :8])) != stored)
    if len(wrong):
        raise DataError(
            f"{path}, record {wrong[0]} is damaged: its length does not fit its checksum; {remedy}"
        )
    if offset != size:
        # The last header may be of the record that is cut off, or be cut off itself.
        record = len(headers) - (offset > size)
        raise DataError(f"{path} ends in the middle of record {record}; {remedy}")
    return np.ascontiguousarray(table[:, :8]).view("<u8")[:, 0].astype(np.int64)


def _crc_table() -> np.ndarray:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, values >> 1 ^ np.uint32(0x82F63B78), values >> 1)
    return values


def _crc32c(rows: np.ndarray) -> np.ndarray:
    """CRC-32C of each row of uint8 `[n, bytes]`, uint32 `[n]`."""
    table = _crc_table()
    crc = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in rows.T:
        crc = table[(crc ^ column) & 0xFF] ^ crc >> 8
    return ~crc


def _masked(crc: int) -> int:
    """The form in which a file holds a checksum."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def _masked_array(crc: np.ndarray) -> np.ndarray:
    return (crc >> 15 | crc << 17) + np.uint32(_MASK_DELTA)
