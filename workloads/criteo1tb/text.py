"""Criteo's lines of text as numbers.

A line has 40 fields between tabs: the label, 13 integers, 26 categories of 8 hexadecimal digits. An
empty field, and the text `-1`, is a missing one. What becomes of a field is part of the workload.

Lines are parsed by whole blocks, without a loop over them: a field of up to eight characters is one
word of 64 bits, and arithmetic on such words works on eight characters at once.
"""

import re
from typing import NamedTuple

import numpy as np

from algoperf_jax.errors import DataError
from workloads.criteo1tb.fingerprint import Fingerprints

NUMBERS = 13
CATEGORIES = 26
FIELDS = 1 + NUMBERS + CATEGORIES

VOCABULARY_SIZES = (
    *(39_884_406, 39_043, 17_289, 7_420, 20_263, 3, 7_120, 1_543, 63),
    *(38_532_951, 2_953_546, 403_346, 10, 2_208, 11_938, 155, 4, 976),
    *(14, 39_979_771, 25_641_295, 39_664_984, 585_935, 12_972, 108, 36),
)
"""Ids that the categories of each column are hashed to."""

ROWS = 4_194_304
"""Of the embedding table, which all columns share."""

MARGIN = 8
"""Bytes that a block has to have in front of its first line and behind its last one, so that words
may begin before a field and end behind it."""

_CATEGORY_CHARACTERS = 8
_MISSING_CATEGORY = np.uint64(int.from_bytes(b"00000000", "little"))
_MINUS_ONE = np.uint64(int.from_bytes(b"-1", "little"))
_LINES_AT_A_TIME = 2_048  # so that what is computed on the way stays in the processor's cache
_MODULI = np.array(VOCABULARY_SIZES, np.uint64)
_FINGERPRINTS = Fingerprints([str(column).encode() for column in range(CATEGORIES)])

_TAB, _LINE_FEED, _MINUS = b"\t\n-"
# What a parser of decimal numbers takes; Python's own would take "1_000" and "infinity" too.
_DECIMAL = re.compile(rb"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


class Lines(NamedTuple):
    """Lines of text as a workload's numbers.

    Attributes:
      labels: uint8 `[n]`, 0 or 1.
      numbers: float32 `[n, 13]`, `log(1 + x)` of the integers, 0 for negative and missing ones.
      rows: int32 `[n, 26]`, the rows of the embedding table.
    """

    labels: np.ndarray
    numbers: np.ndarray
    rows: np.ndarray


def empty_lines(count: int) -> Lines:
    """Room for so many lines."""
    return Lines(
        np.empty(count, np.uint8),
        np.empty((count, NUMBERS), np.float32),
        np.empty((count, CATEGORIES), np.int32),
    )


def parse(block: bytes, where: str, first_line: int = 1) -> Lines:
    """The numbers of whole lines.

    Args:
      block: `MARGIN` bytes of anything, lines, each with its line feed, and `MARGIN` bytes again.
      where: name of the file, for error messages.
      first_line: number of the first line in the file, for error messages.

    Raises:
      DataError: a line has another number of fields, or a field is not what it should be; names
        file, line and field.
    """
    text = np.frombuffer(block, np.uint8)[MARGIN:-MARGIN]
    ends = np.flatnonzero((text == _TAB) | (text == _LINE_FEED))
    _check_fields(text, ends, where, first_line)
    ends += MARGIN
    starts = np.concatenate([[MARGIN], ends[:-1] + 1])
    starts, ends = starts.reshape(-1, FIELDS), ends.reshape(-1, FIELDS)
    lines = empty_lines(len(ends))
    for i in range(0, len(ends), _LINES_AT_A_TIME):
        part = slice(i, i + _LINES_AT_A_TIME)
        parser = _Parser(block, starts[part], ends[part], where, first_line + i)
        lines.labels[part] = parser.labels()
        lines.numbers[part] = parser.numbers()
        lines.rows[part] = parser.rows()
    return lines


def rows_of(fingerprints: np.ndarray) -> np.ndarray:
    """The rows of the embedding table, from fingerprints uint64 `[n, 26]`; int32 `[n, 26]`.

    An id passes through a float32 on its way, as the benchmark's batches hold it so. Ids above
    2**24 are thus rounded to even numbers and multiples of four.
    """
    ids = (fingerprints % _MODULI).astype(np.float32)
    return ids.astype(np.int32) % ROWS


def _check_fields(text: np.ndarray, ends: np.ndarray, where: str, first_line: int) -> None:
    """Raises a `DataError` unless each line has its fields."""
    is_last = text[ends] == _LINE_FEED
    fields = np.diff(np.flatnonzero(is_last), prepend=-1)
    wrong = np.flatnonzero(fields != FIELDS)
    if wrong.size:
        raise DataError(
            f"{where}, line {first_line + int(wrong[0]):,} has {int(fields[wrong[0]])} fields, "
            f"there should be {FIELDS} between tabs; the file is damaged"
        )


class _Parser:
    """The fields of some lines of a block."""

    def __init__(
        self, block: bytes, starts: np.ndarray, ends: np.ndarray, where: str, first_line: int
    ):
        self._block = block
        self._text = np.frombuffer(block, np.uint8)
        # The word of eight bytes from each byte on, without copying any.
        self._words = np.ndarray((len(block) - 7,), "<u8", block, strides=(1,))
        self._starts, self._ends = starts, ends
        self._where, self._first_line = where, first_line

    def labels(self) -> np.ndarray:
        """uint8 `[n]`."""
        labels = self._decimals(slice(0, 1))[:, 0]
        # Negative numbers have become 0, of which -1 alone stands for a missing label.
        is_negative = self._text[self._starts[:, 0]] == _MINUS
        for line in np.flatnonzero((labels != 0) & (labels != 1) | is_negative):
            if self._field(line, 0) != b"-1":
                raise self._error(line, 0, "a label, which is 0 or 1")
        return labels.astype(np.uint8)

    def numbers(self) -> np.ndarray:
        """float32 `[n, 13]`."""
        # Not `log1p`, which differs in the last bit.
        return np.log(self._decimals(slice(1, 1 + NUMBERS)) + np.float32(1))

    def rows(self) -> np.ndarray:
        """int32 `[n, 26]`."""
        starts, ends = self._starts[:, 1 + NUMBERS :], self._ends[:, 1 + NUMBERS :]
        words = self._words[starts]
        lengths = ends - starts
        is_minus_one = (lengths == 2) & (words & np.uint64(0xFFFF) == _MINUS_ONE)
        words[(lengths == 0) | is_minus_one] = _MISSING_CATEGORY
        is_whole = (lengths == _CATEGORY_CHARACTERS) | (lengths == 0) | is_minus_one
        bad = np.argwhere(~(is_whole & _are_hexadecimal(words)))
        if bad.size:
            line, column = bad[0]
            raise self._error(line, 1 + NUMBERS + column, "a category of 8 hexadecimal digits")
        return rows_of(_FINGERPRINTS(words))

    def _decimals(self, fields: slice) -> np.ndarray:
        """Numbers that are not negative, float32 `[n, fields]`; 0 for missing and negative ones."""
        starts, ends = self._starts[:, fields], self._ends[:, fields]
        lengths = (ends - starts).astype(np.uint64)
        is_negative = (self._text[starts] == _MINUS) & (lengths > 1)
        lengths -= is_negative
        # What comes before the digits in their word becomes zeros, digits become their values.
        words = self._words[ends - 8] ^ np.uint64(0x3030303030303030)
        words &= _upper_bytes(np.minimum(lengths, np.uint64(8)))
        values = np.where(is_negative, np.float32(0), _of_digits(words).astype(np.float32))
        unusual = ~_are_digits(words) | (lengths > 8)
        for line, column in np.argwhere(unusual):
            values[line, column] = self._decimal(line, fields.start + column)
        return values

    def _decimal(self, line: int, field: int) -> float:
        """The same for one field that is not just digits."""
        content = self._field(line, field)
        if not _DECIMAL.fullmatch(content):
            raise self._error(line, field, "a number")
        number = float(content)
        if abs(number) > float(np.finfo(np.float32).max):
            raise self._error(line, field, "a number that a float32 can hold")
        return max(float(np.float32(number)), 0.0)

    def _field(self, line: int, field: int) -> bytes:
        return self._block[self._starts[line, field] : self._ends[line, field]]

    def _error(self, line: int, field: int, wanted: str) -> DataError:
        content = self._field(line, field)[:40].decode("utf-8", "replace")
        return DataError(
            f"{self._where}, line {self._first_line + int(line):,}, field {field} is {content!r}, "
            f"not {wanted}; the file is damaged"
        )


def _upper_bytes(count: np.ndarray) -> np.ndarray:
    """Words whose last `count` bytes in memory are ones; at most eight."""
    shift = np.uint64(8) * (np.uint64(8) - count)
    ones = ~np.uint64(0) << np.minimum(shift, np.uint64(63))
    return np.where(count == 0, np.uint64(0), ones)


def _are_digits(words: np.ndarray) -> np.ndarray:
    """Whether each byte is at most 9."""
    return ((words + np.uint64(0x0606060606060606)) | words) & np.uint64(0xF0F0F0F0F0F0F0F0) == 0


def _of_digits(words: np.ndarray) -> np.ndarray:
    """The numbers whose eight decimal digits are the bytes of words, the first in memory first."""
    pairs = words * np.uint64(10) + (words >> np.uint64(8))  # in every second byte
    low = (pairs & np.uint64(0x000000FF000000FF)) * np.uint64(100 + (1_000_000 << 32))
    high = (pairs >> np.uint64(16) & np.uint64(0x000000FF000000FF)) * np.uint64(1 + (10_000 << 32))
    return (low + high) >> np.uint64(32)


def _are_hexadecimal(words: np.ndarray) -> np.ndarray:
    """Whether each byte is one of `0123456789abcdef`."""
    letters = words >> np.uint64(6) & np.uint64(0x0101010101010101)
    digits = words - letters * np.uint64(ord("a") - ord("0") - 10)  # now 0x30 to 0x3f
    in_range = digits & np.uint64(0xF0F0F0F0F0F0F0F0) == np.uint64(0x3030303030303030)
    # Those above 9, and no others, have to have come from letters.
    nibbles = digits & np.uint64(0x0F0F0F0F0F0F0F0F)
    above_nine = (nibbles + np.uint64(0x0606060606060606)) >> np.uint64(4)
    return in_range & (above_nine & np.uint64(0x0101010101010101) == letters)
