"""Records that are `tf.train.Example` messages, as columns, without TensorFlow.

A message is a sequence of fields: a key (number of the field times 8, plus how its value is
written) and the value. An Example holds one Features, that a map from names to Feature, and a
Feature one list of bytes, float32 or int64. Numbers of a list are packed, one after the other,
float32 in 4 bytes, int64 as varints: 7 bits a byte, the least first, the highest bit set in all
bytes but the last.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

Kind = Literal["float32", "int64"]
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_LIST_FIELD: Mapping[Kind, int] = {"float32": 2, "int64": 3}
"""Of a Feature, the field with a list of each kind."""


_TOO_LONG = re.compile(rb"[\x80-\xff]{10}")


class Column(NamedTuple):
    """One feature of many records.

    Attributes:
      values: of all records, one after the other.
      lengths: int64 `[records]`, how many of them each record has.
    """

    values: np.ndarray
    lengths: np.ndarray


def parse_examples(records: Sequence[bytes], kinds: Mapping[str, Kind]) -> dict[str, Column]:
    """The named features of the records; others are passed over.

    Args:
      records: serialized messages.
      kinds: of each feature to take.

    Raises:
      ValueError: a record is no such message or lacks a feature; its text begins with the record's
        position.
    """
    parts: dict[str, list[bytes]] = {name: [] for name in kinds}
    for position, record in enumerate(records):
        try:
            found = _features(record)
            for name, kind in kinds.items():
                parts[name].append(_packed(found[name], kind))
        except KeyError as error:
            raise ValueError(f"{position}: it has no feature {error}") from None
        except (IndexError, ValueError) as error:
            raise ValueError(f"{position}: it is no Example message ({error})") from None
    return {name: _column(parts[name], kind) for name, kind in kinds.items()}


def _features(record: bytes) -> dict[str, bytes]:
    """The Feature messages of an Example, by name."""
    found = {}
    for _, features in _fields(record, 1):
        for _, entry in _fields(features, 1):
            pair = dict(_fields(entry, 1, 2))
            found[pair.get(1, b"").decode()] = pair.get(2, b"")
    return found


def _packed(feature: bytes, kind: Kind) -> bytes:
    """The packed numbers of a Feature; of a list that is not packed, too."""
    wanted = _LIST_FIELD[kind]
    parts = []
    for number, numbers in _fields(feature, 1, 2, 3):
        if number != wanted:
            raise ValueError(f"a feature is a list of another kind than {kind}")
        parts += [value for _, value in _fields(numbers, 1)]
    packed = parts[0] if len(parts) == 1 else b"".join(parts)
    if kind == "float32" and len(packed) % 4:
        raise ValueError("a list of float32 ends within a number")
    if kind == "int64" and packed and packed[-1] & 0x80:
        raise ValueError("a list of int64 ends within a number")
    if kind == "int64" and _TOO_LONG.search(packed):
        raise ValueError("a number has more than 64 bits")
    return packed


def _fields(message: bytes, *wanted: int) -> Iterator[tuple[int, bytes]]:
    """Number and value of the wanted fields, a number as it is written."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, written = key >> 3, key & 7
        if written == _LENGTH:
            length, at = _varint(message, at)
            begin, at = at, at + length
        elif written == _VARINT:
            begin = at
            _, at = _varint(message, at)
        elif written in (_FOUR_BYTES, _EIGHT_BYTES):
            begin, at = at, at + (4 if written == _FOUR_BYTES else 8)
        else:
            raise ValueError(f"a field is written in way {written}")
        if at > end:
            raise ValueError("it is cut off")
        if number in wanted:
            yield number, message[begin:at]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that begins at a position, and where it ends."""
    byte = message[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value, shift = byte & 0x7F, 7
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number has more than 64 bits")


def _column(parts: Sequence[bytes], kind: Kind) -> Column:
    sizes = np.fromiter(map(len, parts), np.int64, len(parts))
    packed = np.frombuffer(b"".join(parts), np.uint8)
    if kind == "float32":
        return Column(packed.view("<f4"), sizes // 4)
    last = packed < 0x80  # the last byte of each number
    borders = np.concatenate([[0], np.cumsum(last)])
    ends = np.cumsum(sizes)
    lengths = borders[ends] - borders[ends - sizes]
    return Column(_int64(packed, last), lengths)


def _int64(packed: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The numbers of packed varints; negative ones are the two's complement of 64 bits."""
    if last.all():
        return packed.astype(np.int64)
    ends = np.flatnonzero(last)
    begins = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(packed)) - np.repeat(begins, ends - begins + 1)
    bits = (packed & 0x7F).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.bitwise_or.reduceat(bits, begins).view(np.int64)
