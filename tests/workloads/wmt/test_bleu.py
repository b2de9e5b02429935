"""BLEU against the reference's numbers."""

import numpy as np
import pytest

from workloads.wmt.bleu import bleu_scores, published_bleu


def _one(hypothesis, reference):
    return bleu_scores([hypothesis], [reference])["bleu"]


def test_corpus_score_matches_the_reference(golden):
    record = golden.load("metrics")["bleu"]
    found = bleu_scores(record["hypotheses"], record["references"])
    np.testing.assert_allclose(found["bleu"], record["corpus"]["score"], rtol=1e-8)
    np.testing.assert_allclose(found["bleu_sacrebleu"], record["corpus"]["score"], rtol=1e-8)


def test_single_sentences_match_the_reference(golden):
    record = golden.load("metrics")["bleu"]
    for hypothesis, reference, expected in zip(
        record["hypotheses"], record["references"], record["per_sentence"], strict=True
    ):
        np.testing.assert_allclose(_one(hypothesis, reference), expected["score"], atol=1e-6)
        stats = (expected[key] for key in ("counts", "totals", "sys_len", "ref_len"))
        np.testing.assert_allclose(published_bleu(*stats), expected["score"], atol=1e-6)


def test_tokenizer_is_the_reference_s(golden):
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenizer = Tokenizer13a()
    for text, expected in golden.load("metrics")["bleu"]["tokenize_13a"]:
        assert tokenizer(text) == expected


@pytest.mark.parametrize("name", ["empty_hypothesis", "identical", "no_overlap"])
def test_statistics_of_special_cases_give_the_reference_s_score(golden, name):
    record = golden.load("metrics")["bleu"][name]
    stats = (record[key] for key in ("counts", "totals", "sys_len", "ref_len"))
    np.testing.assert_allclose(published_bleu(*stats), record["score"], atol=1e-7)


# The table of the benchmark's specification.
@pytest.mark.parametrize(
    ("hypothesis", "reference", "expected"),
    [
        ("The cat sat on the mat.", "The cat is sitting on the mat.", 42.383656283),
        ("x y z w v", "a b c d e", 5.341087580),
        ("a b", "a b c", 0.0),
    ],
)
def test_sentences_have_the_specified_scores(hypothesis, reference, expected):
    np.testing.assert_allclose(_one(hypothesis, reference), expected, atol=1e-8)


def test_only_a_text_without_any_match_is_scored_differently_today():
    assert bleu_scores(["x y z w v"], ["a b c d e"])["bleu_sacrebleu"] == 0
    assert bleu_scores([], []) == {"bleu": 0.0, "bleu_sacrebleu": 0.0}


def test_unequal_numbers_are_refused():
    with pytest.raises(ValueError, match="2 hypotheses, 1 references"):
        bleu_scores(["a", "b"], ["a"])
