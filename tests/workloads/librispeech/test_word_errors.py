"""Word errors against the reference's counts and the specification's table."""

import numpy as np
import pytest
from golden_vectors import GoldenSet

from workloads.librispeech.word_errors import (
    PRINTED_WORDS_OF_NOTHING,
    as_printed,
    edit_distances,
    word_errors,
)

# Of the specification: reference, hypothesis, errors and words as printed, plain errors and words.
TABLE = [
    ("HELLO WORLD", "HELLO WORLD", 0, 4, 0, 2),
    ("HELLO WORLD", "", 2, 4, 2, 2),
    ("HELLO", "HALLO", 1, 3, 1, 1),
    ("IT'S FINE TODAY", "ITS FINE TODAY", 2, 5, 1, 3),
    ("IT'S FINE", "IT'S FINE", 0, 4, 0, 2),
    ("A B C", "A C", 1, 5, 1, 3),
    ("A B C", "A B C D", 2, 5, 1, 3),
    ("ONE TWO THREE", "TWO THREE", 2, 5, 1, 3),
    ("I DON'T KNOW", "I DO NOT KNOW", 4, 5, 2, 3),
    ("", "", 0, 3, 0, 0),
]


@pytest.mark.parametrize(("said", "heard", "errors", "words", "plain", "plain_words"), TABLE)
def test_both_counts_are_those_of_the_specification(said, heard, errors, words, plain, plain_words):
    assert word_errors([as_printed(heard)], [as_printed(said)]) == (errors, words)
    assert word_errors([heard], [said]) == (plain, plain_words)


def test_both_counts_are_those_of_the_reference(golden: GoldenSet):
    record = golden.load("metrics")["wer"]
    said, heard = record["references"], record["hypotheses"]
    for name, form in (("plain_strings", str), ("reference_implementation", as_printed)):
        expected = record[name]
        found = word_errors(map(form, heard), map(form, said))
        assert found == (expected["word_errors"], expected["num_words"])
        assert found.rate == pytest.approx(expected["wer"], rel=1e-8)


def test_distances_are_those_of_the_reference(golden: GoldenSet):
    for heard, said, distance in golden.load("metrics")["wer"]["edit_distance"]:
        assert word_errors([heard], [said]).errors == distance


def test_printed_form_is_that_of_the_reference(golden: GoldenSet):
    record = golden.load("metrics")["wer"]
    assert as_printed(record["references"][0]) == record["example_of_the_string_compared"]
    assert len(as_printed("").split()) == PRINTED_WORDS_OF_NOTHING


def test_nothing_said_has_no_rate():
    assert np.isnan(word_errors(["a"], [""]).rate)
    assert np.isnan(word_errors([], []).rate)


def _distance(a, b):
    """The textbook's table (Wagner & Fischer 1974)."""
    table = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            around = table[i][j + 1] + 1, table[i + 1][j] + 1, table[i][j] + (x != y)
            table[i + 1][j + 1] = min(around)
    return table[-1][-1]


def test_distances_of_many_pairs_at_once_are_those_of_the_textbook():
    random = np.random.RandomState(0)

    def sequences():
        return [random.randint(0, 4, random.randint(0, 9)) for _ in range(60)]

    a, b = sequences(), sequences()
    expected = [_distance(x, y) for x, y in zip(a, b, strict=True)]
    assert edit_distances(a, b).tolist() == expected
