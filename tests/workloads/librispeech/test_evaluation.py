"""Metrics of a split, from logits to word error rates."""

import dataclasses

import numpy as np
import pytest

from workloads.librispeech.evaluation import compute_metrics, evaluate, padding_examples
from workloads.librispeech.loss import Outputs, loss

WORDS = {3: "ONE", 4: "TWO", 5: "THREE"}
END = 2


class Tokenizer:
    """A piece for each word."""

    def decode(self, rows):
        return [" ".join(WORDS[int(i)] for i in row if i != END) for row in rows]


@dataclasses.dataclass
class Data:
    tokenizer: Tokenizer = dataclasses.field(default_factory=Tokenizer)


FRAMES = 8


def _batch(said, heard):
    """A batch whose logits make the model understand `heard`; empty rows of `said` are padding."""
    random = np.random.RandomState(len(said))
    logits = random.uniform(size=(len(said), 6, 6)).astype(np.float32)
    logits[..., 0] += 3
    labels = np.zeros((len(said), 4), np.int32)
    for row, (x, y) in enumerate(zip(said, heard, strict=True)):
        labels[row, : len(x)] = x
        for frame, piece in enumerate(y):
            logits[row, frame, piece] += 9
    lengths = np.array([len(x) for x in said], np.int32)
    batch = {"labels": labels, "label_lengths": lengths, "weights": np.float32(lengths > 0)}
    return Outputs(logits, np.where(lengths > 0, 6, 0)), batch


BATCHES = [
    _batch([[3, 4, 2], [4, 2]], [[3, 4, 2], [5, 2]]),
    _batch([[5, 5, 4, 2], []], [[5, 2], [3, 4]]),
]


def _merged():
    first, second = (evaluate(*batch, frames=FRAMES) for batch in BATCHES)
    return first.merge(second)


def test_word_error_rates_are_of_all_utterances_and_not_of_padding():
    found = compute_metrics(_merged(), Data())
    # One word of two changed; two of three left out, of which the last moves the end.
    assert found["wer_plain"] == pytest.approx((0 + 1 + 2) / (2 + 1 + 3))
    assert found["wer"] == pytest.approx((0 + 1 + 3) / (4 + 3 + 5))


def test_loss_is_the_mean_over_labels():
    found = compute_metrics(_merged(), Data())
    terms = [loss(*batch) for batch in BATCHES]
    expected = sum(float(t.summed) for t in terms) / (3 + 2 + 4)
    assert found["loss"] == pytest.approx(expected, rel=1e-6)


def test_the_reference_s_padding_counts_three_words_each():
    plain = compute_metrics(_merged(), Data())
    # Three utterances in batches of 2: one more fills the last batch for two shards.
    padded = compute_metrics(_merged(), Data(), padding_group=(2, 2))
    assert padded["wer"] == pytest.approx(4 / (12 + 3))
    assert padded["wer_plain"] == plain["wer_plain"]


@pytest.mark.parametrize(
    ("examples", "batch_size", "shards", "expected"),
    [
        (5_348, 256, 8, 4),
        (2_472, 256, 8, 0),
        (5_376, 256, 8, 0),
        (5_348, 128, 8, 4),
        (5_348, 256, 1, 0),
    ],
)
def test_padding_of_the_reference(examples, batch_size, shards, expected):
    # Of the specification's sections on padding and on the variant with smaller batches.
    assert padding_examples(examples, batch_size, shards) == expected


def test_a_model_that_hears_nothing_scores_as_the_published_logs():
    # Words of both splits by the specification; a word in each utterance and the rest in the last.
    for examples, words, expected in (
        (5_348, 92_869, 0.8966179750330672),
        (2_472, 44_289, 0.899579550301627),
    ):
        printed_words = words + 2 * examples + 3 * padding_examples(examples, 256, 8)
        assert words / printed_words == expected


def test_batches_of_other_lengths_merge():
    outputs, batch = BATCHES[0]
    short = Outputs(outputs.logits[:, :5], np.minimum(outputs.lengths, 5))
    found = evaluate(short, batch, frames=FRAMES).merge(evaluate(*BATCHES[1], frames=FRAMES))
    assert compute_metrics(found, Data())["wer_plain"] == pytest.approx(3 / 6)
