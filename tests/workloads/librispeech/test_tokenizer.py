"""Which text a tokenizer is trained on, and what it makes of transcripts."""

import numpy as np
import pytest
import sentencepiece
from librispeech_files import FOLDER

from algoperf_jax.data import sentencepiece_model
from algoperf_jax.data.sentencepiece_model import load
from workloads.librispeech import sample, tokenizer

PIECES = 45


@pytest.fixture(scope="module")
def transcripts():
    return [one.transcript for one in sample.read_transcripts(FOLDER)["train-clean-100"][:300]]


@pytest.fixture(scope="module")
def trained(transcripts, tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "model"
    tokenizer.train(iter(transcripts), PIECES, path)
    return path


def test_training_has_the_references_options(transcripts, trained, tmp_path):
    """SentencePiece as the reference calls it, one transcript a line."""
    (tmp_path / "text").write_text("".join(f"{text}\n" for text in transcripts))
    sentencepiece.SentencePieceTrainer.Train(
        f"--input={tmp_path}/text --vocab_size={PIECES} --character_coverage=1.0 "
        f"--model_prefix={tmp_path}/model --model_type=unigram"
    )
    theirs, ours = (
        sentencepiece.SentencePieceProcessor(model_file=str(path))
        for path in (tmp_path / "model.model", trained)
    )
    for i in range(PIECES):
        assert ours.id_to_piece(i) == theirs.id_to_piece(i)
        assert ours.get_score(i) == theirs.get_score(i)


def test_text_ends_with_the_transcript_that_reaches_the_limit(tmp_path, monkeypatch):
    """The reference's rule as a plain loop: characters are looked at before each transcript."""
    texts = []
    monkeypatch.setattr(
        sentencepiece_model, "train", lambda lines, size, path: texts.append(list(lines))
    )
    said = ["A" * n for n in range(1, 30)]
    for limit in (1, 2, 10, 11, 10_000):
        expected, characters = [], 0
        for text in said:
            if characters >= limit:
                break
            expected.append(text.encode())
            characters += len(text)
        tokenizer.train(said, PIECES, tmp_path / "model", characters=limit)
        assert texts.pop() == expected
    assert tokenizer.TRAINING_CHARACTERS == 10**7


def test_transcripts_come_back(transcripts, trained):
    loaded = load(trained, PIECES, "")
    labels = [np.array(ids, np.int32) for ids in loaded.encode(transcripts)]
    assert loaded.decode(labels) == transcripts
    assert loaded.decode([ids[:-1] for ids in labels]) == transcripts
    for ids in labels:
        assert ids[-1] == 2 and not set(ids[:-1]) & {0, 1, 2}
