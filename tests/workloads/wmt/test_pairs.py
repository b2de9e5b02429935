"""Tokenised pairs against a plain loop over the texts with the SentencePiece library."""

import dataclasses
import json
import lzma
from pathlib import Path

import numpy as np
import pytest
import sentencepiece

from algoperf_jax.data.sentencepiece_model import load
from algoperf_jax.data.tfds_folder import NewSplit, write_dataset
from algoperf_jax.errors import DataError
from workloads.wmt import pairs, records, sample
from workloads.wmt.files import STORED, WMT17, features
from workloads.wmt.pairs import tokenised

FOLDER = Path(sample.__file__).parent
LONGEST = 24


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The file of the sample's vocabulary."""
    path = tmp_path_factory.mktemp("model") / "model"
    path.write_bytes(lzma.decompress((FOLDER / sample.VOCABULARY).read_bytes()))
    return path


@pytest.fixture(scope="module")
def loaded(model):
    """The sample's vocabulary."""
    return load(model, sample.VOCABULARY_SIZE, "")


@pytest.fixture(scope="module")
def texts():
    """Sentence pairs, every tenth with a piece that no vocabulary of German and English has."""
    found = sample.read_pairs(FOLDER / sample.PAIRS)["train"][:150]
    return [
        (f"{german[:20]} \u6f22 {german[20:]}", f"{english} \u6f22\u5b57") if i % 10 == 3 else pair
        for i, pair in enumerate(found)
        for german, english in [pair]
    ]


@pytest.fixture(scope="module")
def stored(texts, tmp_path_factory):
    """A folder with the pairs as WMT17's training split in three files."""
    root = tmp_path_factory.mktemp("stored")
    split = NewSplit(
        [str(i) for i in range(len(texts))],
        lambda i: dict(zip(("de", "en"), texts[i], strict=True)),
    )
    dataset = dataclasses.replace(WMT17, shards={"train": 3})
    write_dataset(dataset, root, {"train": split}, features())
    return STORED.in_data_dir(root)


@pytest.fixture(scope="module")
def expected(stored, model):
    """Ids of both sides of every pair that is short enough, by a plain loop."""
    library = sentencepiece.SentencePieceProcessor(model_file=str(model))
    found = []
    for german, english in records.texts(stored.records("train")):
        sides = [library.encode(text.decode()) + [2] for text in (german, english)]
        if max(map(len, sides)) <= LONGEST:
            found.append(sides)
    assert 50 < len(found) < 140
    return found


def in_order(tokens):
    """The sentences of one side, as lists."""
    assert len(tokens.flat) == tokens.offsets[-1]
    return [
        tokens.flat[tokens.offsets[i] : tokens.offsets[i + 1]].tolist()
        for i in range(len(tokens.offsets) - 1)
    ]


@pytest.mark.parametrize("at_a_time", [7, 150, 16_384])
def test_tokens_are_those_of_a_plain_loop(
    stored, loaded, expected, tmp_path, monkeypatch, at_a_time
):
    monkeypatch.setattr(records, "PAIRS_AT_A_TIME", at_a_time)
    found = tokenised("train", stored, loaded, LONGEST, [tmp_path])
    assert len(found) == len(expected)
    assert found.pairs_read == 150
    assert in_order(found.inputs) == [german for german, _ in expected]
    assert in_order(found.targets) == [english for _, english in expected]
    assert found.lengths.tolist() == [[len(side) for side in sides] for sides in expected]
    packed = [[np.count_nonzero(side) for side in sides] for sides in expected]
    assert found.packed_sizes.tolist() == packed
    assert (found.packed_sizes < found.lengths).any(axis=1).sum() > 5


def test_arrays_are_mapped_and_of_their_types(stored, loaded, tmp_path):
    found = tokenised("train", stored, loaded, LONGEST, [tmp_path])
    for side in (found.inputs, found.targets):
        assert isinstance(side.flat, np.memmap) and not side.flat.flags.writeable
        assert side.flat.dtype == np.uint16
        assert side.offsets.dtype == np.int64
    assert found.lengths.dtype == found.packed_sizes.dtype == np.int64


def test_second_time_nothing_is_tokenised(stored, loaded, tmp_path):
    lines = []
    first = tokenised("train", stored, loaded, LONGEST, [tmp_path], lines.append)
    assert lines == ["tokenising 150 sentence pairs of train"]
    blunt = dataclasses.replace(loaded, processor=None)
    again = tokenised("train", stored, blunt, LONGEST, [tmp_path / "a", tmp_path], lines.append)
    assert in_order(again.inputs) == in_order(first.inputs)
    assert again.lengths.tolist() == first.lengths.tolist()
    assert len(lines) == 1


def test_what_differs_is_kept_elsewhere(stored, loaded, tmp_path):
    """Another length, vocabulary, file or split; the same from another place is the same."""
    import shutil

    def kept():
        return len(list(tmp_path.glob("kept/*")))

    def tokenise(location=stored, vocabulary=loaded, longest=LONGEST):
        tokenised("train", location, vocabulary, longest, [tmp_path / "kept"])
        return kept()

    assert tokenise() == tokenise() == 1
    assert tokenise(longest=LONGEST + 1) == 2
    assert tokenise(vocabulary=dataclasses.replace(loaded, sha256="0" * 64)) == 3
    root = tmp_path / "copy"
    shutil.copytree(stored.root, root)
    copy = STORED.in_data_dir(root)
    assert tokenise(copy) == 3
    path = copy.records("train").paths[1]
    content = path.read_bytes()
    first = 16 + int.from_bytes(content[:8], "little")
    path.write_bytes(content[first:])  # a record less
    info = root / WMT17.folder / "dataset_info.json"
    facts = json.loads(info.read_text())
    (split,) = facts["splits"]
    split["shardLengths"][1] = str(int(split["shardLengths"][1]) - 1)
    info.write_text(json.dumps(facts))
    assert tokenise(copy) == 4


def cut(path):
    path.write_bytes(path.read_bytes()[:-2])


def write_text(path):
    path.write_text("{")


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("inputs", cut, r"inputs has [\d,]+ bytes, there should be [\d,]+; remove .*/train-"),
        ("targets", cut, "targets has"),
        ("lengths", cut, "lengths has"),
        ("packed_sizes", cut, "packed_sizes has"),
        ("targets", Path.unlink, "is damaged .*No such file.*; remove it"),
        ("facts.json", Path.unlink, "is damaged .*No such file.*; remove it"),
        ("facts.json", write_text, "is damaged .*JSONDecodeError.*; remove it"),
    ],
)
def test_damage_is_an_error_that_names_the_folder(stored, loaded, tmp_path, name, damage, message):
    tokenised("train", stored, loaded, LONGEST, [tmp_path])
    (folder,) = tmp_path.iterdir()
    damage(folder / name)
    with pytest.raises(DataError, match=message) as error:
        tokenised("train", stored, loaded, LONGEST, [tmp_path])
    assert str(error.value).startswith(str(folder))


def test_split_without_a_short_pair_is_an_error(stored, loaded, tmp_path):
    with pytest.raises(DataError, match="every sentence pair has more than 3 tokens"):
        tokenised("train", stored, loaded, 3, [tmp_path])
    assert list(tmp_path.iterdir()) == []


def test_ids_have_to_fit_into_sixteen_bits(stored, loaded, tmp_path):
    with pytest.raises(ValueError, match="16 bits, up to 65,535"):
        tokenised("train", stored, dataclasses.replace(loaded, size=65_537), 24, [tmp_path])
    with pytest.raises(ValueError, match="16 bits"):
        tokenised("train", stored, loaded, 65_536, [tmp_path])


def test_sums_are_of_consecutive_stretches():
    values = np.array([1, 0, 1, 1, 1, 0], bool)
    assert pairs._sums(values, np.array([2, 3, 1])).tolist() == [1, 3, 0]
    assert pairs._sums(np.zeros(0, bool), np.zeros(0, np.int64)).tolist() == []
