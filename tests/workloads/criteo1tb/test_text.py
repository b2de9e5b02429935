"""Lines of text as numbers: the specification's examples, a slow parser, and bad lines."""

import numpy as np
import pytest
from click_logs import label_of, lines_of_day, numbers_of

from algoperf_jax.errors import DataError
from workloads.criteo1tb.text import MARGIN, VOCABULARY_SIZES, parse, rows_of

MARGIN_BYTES = b"7" * MARGIN  # what would be read as a part of a field next to it
MISSING = 26 * [""]
GOOD = "\t".join(["0", *13 * ["1"], *26 * ["80e26c9b"]])


def parsed(*lines, first_line=1):
    text = "".join(f"{line}\n" for line in lines).encode()
    return parse(MARGIN_BYTES + text + MARGIN_BYTES, "day_3_07", first_line)


def changed(field, content):
    fields = GOOD.split("\t")
    fields[field] = content
    return "\t".join(fields)


def test_vocabulary_sizes_add_up():
    assert (len(VOCABULARY_SIZES), sum(VOCABULARY_SIZES)) == (26, 187_767_399)


def test_numbers_of_the_specification():
    numbers = ["5", "110", "", "16", "-1", "1", "0", "14", "7", "1", "-2", "306", "0"]
    found = parsed("\t".join(["1", *numbers, *MISSING]))
    assert found.labels.tolist() == [1]
    expected = [1.7917595, 4.7095304, 0, 2.8332133, 0, 0.6931472, 0, 2.7080503, 2.0794415]
    np.testing.assert_array_equal(
        found.numbers[0], np.float32([*expected, 0.6931472, 0, 5.7268476, 0])
    )
    assert (found.labels.dtype, found.numbers.dtype, found.rows.dtype) == ("u1", "f4", "i4")


# As float32 the ids are those of the benchmark's specification; the table has 2**22 rows.
_IDS = [16124033, 10351, 4188, 7307, 19695, 0, 6670, 378, 5, 27691836, 1866611, 184436, 4, 202]
_IDS += [10577, 64, 3, 387, 9, 13392961, 5775802, 11306799, 361450, 6860, 42, 8]


@pytest.mark.parametrize("missing", ["", "-1"])
def test_rows_of_missing_categories(missing):
    found = parsed("\t".join(["0", *13 * [""], *26 * [missing]]))
    np.testing.assert_array_equal(found.rows[0], np.array(_IDS) % 2**22)


@pytest.mark.parametrize(
    ("column", "category", "row"),
    [
        (0, "68fd1e64", 2539825),
        (1, "80e26c9b", 16854),
        (9, "fb936136", 3949656),
        (19, "7b4723c4", 2955232),  # not 2955233: the id passes through a float32
    ],
)
def test_rows_of_categories(column, category, row):
    assert parsed(changed(14 + column, category)).rows[0, column] == row


def test_ids_are_rounded_as_float32_rounds_them():
    ids = np.zeros((1, 26), np.uint64)
    ids[0, 0], ids[0, 9] = 2**24 + 1, 2**25 + 3
    rows = rows_of(ids)
    assert (rows[0, 0], rows[0, 9]) == (0, 4)  # to even, and to a multiple of four


def test_lines_are_those_of_a_slow_parser():
    lines = [line for day in range(4) for line in lines_of_day(day)]
    found = parsed(*lines)
    assert found.labels.tolist() == [label_of(line) for line in lines]
    np.testing.assert_allclose(found.numbers, [numbers_of(line) for line in lines], rtol=2e-7)
    one_by_one = np.concatenate([parsed(line).rows for line in lines])
    np.testing.assert_array_equal(found.rows, one_by_one)


def test_blocks_of_any_number_of_lines_are_alike():
    lines = lines_of_day(3) * 70  # more than are parsed at a time
    found = parsed(*lines)
    for once, array in zip(parsed(*lines_of_day(3)), found, strict=True):
        np.testing.assert_array_equal(np.concatenate(70 * [once]), array)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("12345678", 12_345_678),
        ("123456789", 123_456_789),
        ("00000000042", 42),
        ("-12345678901", 0),
        (" 12 ", 12),
        ("+7", 7),
        ("2.5", 2.5),
        ("1e3", 1_000),
        ("0", 0),
        ("", 0),
    ],
)
def test_numbers_in_all_forms(content, value):
    expected = np.log(np.float32(value) + np.float32(1))
    for field in (1, 13):
        assert parsed(changed(field, content)).numbers[0, field - 1] == expected


@pytest.mark.parametrize("content", ["1x", "x", "-", "1_0", "nan", "inf", "--1", "1 2", "0x1f"])
def test_what_is_no_number_is_refused(content):
    with pytest.raises(DataError) as caught:
        parsed(GOOD, changed(4, content), first_line=16_001)
    message = f"day_3_07, line 16,002, field 4 is {content!r}, not a number; the file is damaged"
    assert str(caught.value) == message


@pytest.mark.parametrize("content", ["1e400", "3.5e38", "-1e39"])
def test_numbers_that_no_float32_holds_are_refused(content):
    with pytest.raises(DataError, match=f"field 4 is '{content}', not a number that a float32"):
        parsed(changed(4, content))


def test_a_missing_label_is_zero():
    assert parsed(changed(0, ""), changed(0, "-1")).labels.tolist() == [0, 0]


def test_bad_lines_far_within_a_block_are_numbered_right():
    lines = [GOOD] * 2_500  # more than are parsed at a time
    lines[2_399] = changed(2, "x")
    with pytest.raises(DataError, match=r"day_3_07, line 12,400, field 2 is 'x'"):
        parsed(*lines, first_line=10_001)


@pytest.mark.parametrize("content", ["2", "0.5", "10", "-2", "-0.5", "-11"])
def test_labels_are_zero_or_one(content):
    with pytest.raises(DataError, match=f"line 1, field 0 is '{content}', not a label"):
        parsed(changed(0, content))


@pytest.mark.parametrize(
    "content",
    ["80E26C9B", "80e26c9", "80e26c9b0", "80e26c9g", "80e26c9:", "80e26c9`", "-2", "0", "80e26c9é"],
)
@pytest.mark.parametrize("field", [14, 39])
def test_what_is_no_category_is_refused(content, field):
    with pytest.raises(DataError, match=f"line 2, field {field} is .*8 hexadecimal digits"):
        parsed(GOOD, changed(field, content))


@pytest.mark.parametrize(
    ("line", "fields"), [(GOOD.rpartition("\t")[0], 39), (GOOD + "\t1", 41), ("", 1)]
)
def test_lines_of_other_lengths_are_refused(line, fields):
    with pytest.raises(DataError) as caught:
        parsed(GOOD, GOOD, line, GOOD)
    assert f"day_3_07, line 3 has {fields} fields, there should be 40" in str(caught.value)
