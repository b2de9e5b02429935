"""The texts in records of sentence pairs, read without TensorFlow.

A record is a serialised `tf.train.Example` with one text for each language. In the terms of
protocol buffers' wire format: nested length-delimited fields, and nothing else.

    Example    1: Features
    Features   1: entry, once for each feature
    entry      1: its name, 2: Feature
    Feature    1: BytesList
    BytesList  1: the text
"""

from collections.abc import Iterator

from algoperf_jax.data.order import interleaved
from algoperf_jax.data.tfrecords import Records
from algoperf_jax.errors import DataError
from workloads.wmt.files import LANGUAGES

PAIRS_AT_A_TIME = 16_384
"""How many records are read together: some ten megabytes of text."""

_LENGTH_DELIMITED = 2
_NAMES = tuple(language.encode() for language in LANGUAGES)


def chunks(records: Records) -> Iterator[list[tuple[bytes, bytes]]]:
    """Yields the German and English texts of all records, some ten thousand at a time.

    They come in the order in which TensorFlow Datasets reads the files when it shuffles nothing.

    Raises:
      DataError: a record is damaged, is no pair of texts, or one of the two is empty or not UTF-8;
        names its file and number.
    """
    order = interleaved(records.records_per_file)
    for begin in range(0, len(order), PAIRS_AT_A_TIME):
        ids = order[begin : begin + PAIRS_AT_A_TIME]
        yield [
            _checked(payload, records, record)
            for record, payload in zip(ids.tolist(), records.read(ids), strict=True)
        ]


def texts(records: Records) -> Iterator[tuple[bytes, bytes]]:
    """Yields the German and English text of each record; order and errors as of `chunks`."""
    for chunk in chunks(records):
        yield from chunk


def _checked(payload: bytes, records: Records, record: int) -> tuple[bytes, bytes]:
    try:
        found = _parsed(payload)
    except (ValueError, IndexError):
        found = {}
    if found.keys() != set(_NAMES):
        raise DataError(
            f"{records.where(record)} is not an example with one text for each of "
            f"{' and '.join(LANGUAGES)}; {records.remedy}"
        )
    for name, text in found.items():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{records.where(record)}: the text of {name.decode()} is not UTF-8 ({error}); "
                f"{records.remedy}"
            ) from None
        if not text:
            raise DataError(
                f"{records.where(record)}: the text of {name.decode()} is empty; {records.remedy}"
            )
    german, english = (found[name] for name in _NAMES)
    return german, english


def _parsed(payload: bytes) -> dict[bytes, bytes]:
    """Returns the texts by name; a ValueError or IndexError where the bytes are something else."""
    found = {}
    begin, end = _only_field(payload, 0, len(payload))
    while begin < end:
        entry, begin = _field(payload, begin, end, 1)
        # Serializers write the name first, as the format asks them to.
        name, rest = _field(payload, *entry, 1)
        feature, rest = _field(payload, rest, entry[1], 2)
        if rest != entry[1]:
            raise ValueError("an entry with more than a name and a feature")
        bytes_list = _only_field(payload, *feature)
        text = _only_field(payload, *bytes_list)
        key = payload[slice(*name)]
        if key in found:
            raise ValueError("a name twice")
        found[key] = payload[slice(*text)]
    return found


def _only_field(data: bytes, begin: int, end: int) -> tuple[int, int]:
    """Returns where the content of field 1 begins and ends; nothing else may be there."""
    content, rest = _field(data, begin, end, 1)
    if rest != end:
        raise ValueError("more than one field")
    return content


def _field(data: bytes, begin: int, end: int, number: int) -> tuple[tuple[int, int], int]:
    """Returns where the content of the field at `begin` begins and ends, and where the next is."""
    if begin >= end or data[begin] != number << 3 | _LENGTH_DELIMITED:
        raise ValueError("another field than expected")
    at = begin + 1
    length = data[at]
    at += 1
    if length > 127:  # more bytes follow, seven bits in each, lowest first
        length &= 127
        shift = 7
        while True:
            byte = data[at]
            at += 1
            length |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
    if at + length > end:
        raise ValueError("a field ends behind what holds it")
    return (at, at + length), at + length
