"""Training, loading and use of models, against the SentencePiece library itself."""

import hashlib
import lzma
from pathlib import Path

import numpy as np
import pytest
import sentencepiece

from algoperf_jax.data import sentencepiece_model
from algoperf_jax.errors import DataError
from workloads.wmt import sample

FOLDER = Path(sample.__file__).parent
SIZE = 200


@pytest.fixture(scope="module")
def lines():
    """German and English lines in turn, UTF-8."""
    pairs = sample.read_pairs(FOLDER / sample.PAIRS)["train"][:400]
    return [text.encode() for pair in pairs for text in pair]


@pytest.fixture(scope="module")
def trained(lines, tmp_path_factory):
    """The file of a model trained on them."""
    path = tmp_path_factory.mktemp("trained") / "folder" / "model"
    sentencepiece_model.train(iter(lines), SIZE, path)
    return path


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A model of 1,000 pieces, and SentencePiece's own processor for it."""
    path = tmp_path_factory.mktemp("loaded") / "model"
    path.write_bytes(lzma.decompress((FOLDER / sample.VOCABULARY).read_bytes()))
    return (
        sentencepiece_model.load(path, sample.VOCABULARY_SIZE, ""),
        sentencepiece.SentencePieceProcessor(model_file=str(path)),
    )


def plain_training(lines, folder, monkeypatch, **options):
    """Trains with SentencePiece as it is, on the text of all lines; the model's bytes."""
    monkeypatch.chdir(folder)
    Path("text").write_bytes(b"".join(b"%b\n" % line for line in lines))
    flags = {"input": "text", "model_prefix": "vocabulary", "vocab_size": SIZE} | options
    flags |= {"character_coverage": "1.0", "model_type": "unigram", "minloglevel": "2"}
    sentencepiece.SentencePieceTrainer.Train(" ".join(f"--{k}={v}" for k, v in flags.items()))
    return Path("vocabulary.model").read_bytes()


def test_training_is_sentencepieces_own_with_its_defaults(lines, trained, tmp_path, monkeypatch):
    """Pieces and scores are those of its defaults, the file is that of 16 threads."""

    def pieces(content):
        model = sentencepiece.SentencePieceProcessor(model_proto=content)
        return [(model.id_to_piece(i), model.get_score(i)) for i in range(SIZE)]

    default = plain_training(lines, tmp_path, monkeypatch)
    assert pieces(trained.read_bytes()) == pieces(default)
    chosen = plain_training(lines, tmp_path, monkeypatch, num_threads=16)
    assert trained.read_bytes() == chosen


def test_training_gives_the_same_file_elsewhere_and_leaves_nothing_else(lines, trained, tmp_path):
    sentencepiece_model.train(lines, SIZE, tmp_path / "other name")
    assert (tmp_path / "other name").read_bytes() == trained.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["other name"]


def test_text_too_small_for_the_pieces_is_an_error_that_says_so(lines, tmp_path):
    with pytest.raises(DataError) as error:
        sentencepiece_model.train(lines[:40], 2_000, tmp_path / "model")
    text = str(error.value)
    size = sum(len(line) + 1 for line in lines[:40])
    assert text.startswith(
        f"SentencePiece makes no vocabulary of 2,000 pieces from {size:,} bytes of text: "
        "Vocabulary size too high (2000)."
    )
    assert "\n" not in text and ".cc" not in text
    assert list(tmp_path.iterdir()) == []


def test_encoding_is_that_of_the_library_with_an_end(loaded):
    found, library = loaded
    pairs = sample.read_pairs(FOLDER / sample.PAIRS)["test"]
    texts = [text for pair in pairs for text in pair]
    texts += ["", " ", "  zwei  Leerzeichen ", "\u6f22\u5b57 und \u2460", "ﬁn", "a\tb\r"]
    assert found.encode(texts) == [library.encode(text) + [2] for text in texts]
    assert found.encode(["", "\u6f22"])[0] == [2]
    assert sentencepiece_model.UNKNOWN in found.encode(["\u6f22"])[0]
    assert found.encode([]) == []


def test_decoding_is_that_of_the_library(loaded):
    found, library = loaded
    rng = np.random.default_rng(0)
    ids = [rng.integers(0, sample.VOCABULARY_SIZE, n) for n in range(50)]
    assert found.decode(ids) == [library.decode(sequence.tolist()) for sequence in ids]
    assert found.decode([sequence.tolist() for sequence in ids]) == found.decode(ids)
    assert found.decode([np.zeros(0, np.uint16), [1, 2, 2], []]) == ["", "", ""]
    assert found.decode([]) == []


def test_texts_come_back_unless_a_piece_is_unknown(loaded):
    found, _ = loaded
    texts = ["Guten Morgen!", "Ein \u6f22 Zeichen."]
    assert found.decode(found.encode(texts)) == ["Guten Morgen!", "Ein  \u2047  Zeichen."]


def test_model_knows_its_size_and_checksum(loaded):
    found, library = loaded
    assert found.size == len(library) == sample.VOCABULARY_SIZE
    model = lzma.decompress((FOLDER / sample.VOCABULARY).read_bytes())
    assert found.sha256 == hashlib.sha256(model).hexdigest()


def test_id_that_does_not_exist_is_an_error(loaded):
    for wrong in (-1, sample.VOCABULARY_SIZE):
        with pytest.raises(IndexError):
            loaded[0].decode([[5, wrong]])


def other_ids(lines, path, monkeypatch):
    options = {"bos_id": -1, "eos_id": 1}
    path.write_bytes(plain_training(lines, path.parent, monkeypatch, **options))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing", "model is missing; mend it"),
        ("folder", "model cannot be read .*; mend it"),
        ("empty", "model is not a SentencePiece model; mend it"),
        ("text", "model is not a SentencePiece model; mend it"),
        ("cut", "model is not a SentencePiece model; mend it"),
        ("size", "model has 200 pieces, there should be 32,000; mend it"),
        ("ids", r"model has the ids \(0, -1, 1\) .* should be \(0, 1, 2\); mend it"),
    ],
)
def test_file_that_is_no_model_is_refused(lines, trained, tmp_path, monkeypatch, damage, message):
    path = tmp_path / "model"
    if damage == "folder":
        path.mkdir()
    elif damage == "ids":
        other_ids(lines, path, monkeypatch)
    elif damage != "missing":
        content = {"empty": b"", "text": b"hello " * 100, "cut": trained.read_bytes()[:-100]}
        path.write_bytes(content.get(damage, trained.read_bytes()))
    with pytest.raises(DataError, match=f"^{tmp_path}/{message}"):
        sentencepiece_model.load(path, 32_000 if damage == "size" else SIZE, "mend it")
