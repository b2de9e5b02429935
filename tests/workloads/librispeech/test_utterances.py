"""Opening of prepared data: in the reference's layout, and damaged in either one."""

import csv
import dataclasses
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sentencepiece
from librispeech_files import CORPUS, audio, kept, texts, write_npy, write_tree

from algoperf_jax.errors import DataError
from workloads.librispeech import npy_subset
from workloads.librispeech.files import TOKENIZER_FILE
from workloads.librispeech.prepare import prepare
from workloads.librispeech.utterances import open_speech


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same corpus prepared by us and as the reference does it."""
    folder = tmp_path_factory.mktemp("folders")
    write_tree(folder / "raw")
    ours = prepare(folder / "ours", folder / "raw", report=lambda _: None, corpus=CORPUS)
    shutil.rmtree(folder / "raw")
    model = (ours / TOKENIZER_FILE).read_bytes()
    library = sentencepiece.SentencePieceProcessor(model_proto=model)

    def encode(text):
        return [*library.encode(text), 2]

    theirs = write_npy(folder / "theirs" / "librispeech", model, encode)
    return {"ours": ours, "theirs": theirs}


@pytest.fixture
def copied(folders, tmp_path):
    """`layout -> data directory` like a prepared one, that may be changed."""

    def copy(layout):
        shutil.copytree(folders[layout], tmp_path / layout / "librispeech")
        return tmp_path / layout

    return copy


def opened(data_dir, cache, corpus=CORPUS):
    """All splits."""
    data = open_speech(data_dir, cache, corpus)
    return {split: data.utterances(split) for split in corpus.splits}


def test_both_layouts_hold_the_same(folders, tmp_path):
    ours, theirs = (opened(folders[k].parent, tmp_path / k) for k in ("ours", "theirs"))
    for split, subsets in CORPUS.splits.items():
        a, b = ours[split], theirs[split]
        assert b.ids == [name for subset in subsets for name in reversed(kept(subset))]
        assert sorted(a.ids) == sorted(b.ids)
        assert len(a) == len(b) == CORPUS.examples[split]
        for i, name in enumerate(b.ids):
            k = a.ids.index(name)
            assert a.lengths[k] == b.lengths[i] == len(audio(name))
            for utterances, place in ((a, k), (b, i)):
                np.testing.assert_array_equal(utterances.audio(place), audio(name))
                assert utterances.audio(place).dtype == np.int16
                assert utterances.labels(place).dtype == np.int32
                assert utterances.label_lengths[place] == len(utterances.labels(place))
            np.testing.assert_array_equal(a.labels(k), b.labels(i))
        assert a.lengths.dtype == a.label_lengths.dtype == np.int64


def test_labels_are_the_librarys_with_an_end(folders, tmp_path):
    library = sentencepiece.SentencePieceProcessor(model_file=str(folders["ours"] / TOKENIZER_FILE))
    found = opened(folders["ours"].parent, tmp_path)["test"]
    for i, name in enumerate(found.ids):
        assert found.labels(i).tolist() == [*library.encode(texts()["test-clean"][name]), 2]


def test_data_may_lie_in_the_folder_itself(folders, tmp_path):
    found = opened(folders["ours"], tmp_path)
    assert {split: len(of) for split, of in found.items()} == CORPUS.examples


def test_threads_may_read_at_the_same_time(folders, tmp_path):
    for layout, folder in folders.items():
        found = opened(folder.parent, tmp_path / layout)["train"]
        with ThreadPoolExecutor(8) as threads:
            order = np.random.default_rng(0).integers(len(found), size=200)
            for i, samples in zip(order, threads.map(found.audio, order), strict=True):
                np.testing.assert_array_equal(samples, audio(found.ids[i]))


def test_utterance_that_does_not_exist_is_an_error(folders, tmp_path):
    found = opened(folders["ours"].parent, tmp_path)["test"]
    for wrong in (-1, len(found)):
        with pytest.raises(IndexError, match=f"no utterance {wrong}, there are 24"):
            found.audio(wrong)


def test_small_files_are_looked_through_once(folders, tmp_path, monkeypatch):
    first = opened(folders["theirs"].parent, tmp_path)
    kept_there = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert kept_there and not (folders["theirs"] / "index").exists()
    monkeypatch.setattr(np, "load", None)
    second = opened(folders["theirs"].parent, tmp_path)
    for split in CORPUS.splits:
        np.testing.assert_array_equal(first[split].lengths, second[split].lengths)
        for i in range(len(first[split])):
            np.testing.assert_array_equal(first[split].labels(i), second[split].labels(i))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == kept_there


def test_small_files_are_looked_through_again_once_they_change(copied, tmp_path):
    data_dir = copied("theirs")
    name = kept("test-clean")[3]
    opened(data_dir, tmp_path / "cache")
    path = data_dir / "librispeech" / "test-clean" / f"{name}_audio.npy"
    path.unlink()
    np.save(path, np.arange(77))
    found = opened(data_dir, tmp_path / "cache")["test"]
    assert found.lengths[found.ids.index(name)] == 77
    np.save(path, np.arange(78))  # in place: nothing shows that
    with pytest.raises(DataError, match=f"^{name} has 78 samples, it had 77 when the data were"):
        found.audio(found.ids.index(name))


def test_audio_is_read_when_it_is_asked_for(folders, tmp_path, monkeypatch):
    """Lengths come from the beginnings of files."""
    whole = []
    load = np.load

    def watched(path, mmap_mode=None):
        if mmap_mode is None and "_audio" in str(path):
            whole.append(threading.current_thread())
        return load(path, mmap_mode=mmap_mode)

    monkeypatch.setattr(np, "load", watched)
    found = opened(folders["theirs"].parent, tmp_path)["test"]
    assert not whole
    found.audio(0)
    assert len(whole) == 1


@pytest.mark.parametrize("layout", ["ours", "theirs"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda root: (root / TOKENIZER_FILE).unlink(),
            f"{TOKENIZER_FILE} is missing; remove .*{TOKENIZER_FILE} and prepare it with: python "
            "scripts/prepare_data.py librispeech --data_dir",
        ),
        (
            lambda root: (shutil.rmtree(root / "dev-other"), drop(root / "dev-other.csv")),
            "librispeech/dev-other does not exist; prepare it with: python",
        ),
        (
            lambda root: (root / "dev-clean" / "facts.json", (root / "dev-clean.csv"))[
                (root / "dev-clean.csv").exists()
            ].unlink(),
            "dev-clean has no facts.json, and there is no .*dev-clean.csv; remove .*dev-clean and ",
        ),
        (
            lambda root: [
                (root / "dev-clean.csv").write_text(",id\n"),
                (root / "dev-clean" / "facts.json").write_text("{}"),
            ],
            "two layouts of dev-clean mixed: .*facts.json is one, .*dev-clean.csv the other; move",
        ),
    ],
)
def test_what_is_missing_or_mixed_is_an_error(copied, tmp_path, layout, damage, message):
    data_dir = copied(layout)
    damage(data_dir / "librispeech")
    with pytest.raises(DataError, match=message):
        opened(data_dir, tmp_path / "cache")


def drop(path):
    path.unlink(missing_ok=True)


def cut(path):
    path.write_bytes(path.read_bytes()[:-2])


def change(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


FIRST = kept("test-clean")[0]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: cut(folder / "audio"), "test-clean/audio has .* bytes, there should be"),
        (lambda folder: (folder / "lengths").unlink(), "test-clean/lengths is missing; remove"),
        (
            lambda folder: (folder / "facts.json").write_text("{"),
            "test-clean/facts.json is missing or damaged .*; remove .*test-clean and prepare",
        ),
        (lambda folder: change(folder / "lengths", 0), "a file in .*test-clean is damaged: their"),
        (
            lambda folder: change(folder / "audio", 10),
            f"test-clean/audio: the samples of {FIRST} are damaged; remove .*test-clean and ",
        ),
    ],
)
def test_damaged_folder_of_ours_is_an_error_that_says_where(copied, tmp_path, damage, message):
    data_dir = copied("ours")
    damage(data_dir / "librispeech" / "test-clean")
    with pytest.raises(DataError, match=message):
        opened(data_dir, tmp_path / "cache")["test"].audio(0)


def save(kind, content):
    return lambda root: np.save(root / "test-clean" / f"{FIRST}_{kind}.npy", content)


def relist(text):
    return lambda root: (root / "test-clean.csv").write_text(text)


LISTED = ",id\n" + "".join(f"{k},{name}\n" for k, name in enumerate(kept("test-clean")))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (save("audio", np.zeros(3_001, int)), f"^{FIRST} has 3,001 samples, at most 3,000 are pos"),
        (save("audio", np.zeros((2, 5), int)), rf"{FIRST}_audio.npy holds int64 \[2, 5\], not int"),
        (save("audio", np.zeros(5)), rf"{FIRST}_audio.npy holds float64 \[5\], not integers"),
        (save("targets", np.array([3] * 50 + [2])), f"^{FIRST} has 51 labels, at most 50 are poss"),
        (save("targets", np.array([3, 4])), f"{FIRST}_targets.npy has other labels .*, the last 4"),
        (
            save("targets", np.array([3, 40, 2])),
            f"{FIRST}_targets.npy has other labels .*from 2 ",
        ),
        (save("targets", np.array([3, 0, 2])), f"{FIRST}_targets.npy has other labels .*from 0 to"),
        (
            save("targets", np.zeros(0, int)),
            rf"{FIRST}_targets.npy holds int64 \[0\], not in",
        ),
        (lambda root: cut(root / f"test-clean/{FIRST}_audio.npy"), f"{FIRST}_audio.npy is damaged"),
        (lambda root: cut(root / f"test-clean/{FIRST}_targets.npy"), f"{FIRST}_targets.npy is dam"),
        (
            lambda root: (root / f"test-clean/{FIRST}_audio.npy").unlink(),
            f"{FIRST}_audio.npy is missing; remove .*test-clean and prepare it with: python script",
        ),
        (relist(LISTED.replace(",id", ",x")), "test-clean.csv begins with ',x', not with ',id'; r"),
        (relist(LISTED + "24\n"), "test-clean.csv is no list of utterances .*; remove"),
        (relist(""), "test-clean.csv is no list of utterances"),
        (relist(LISTED + f"24,{FIRST}\n"), f"test-clean.csv lists {FIRST} twice; remove"),
        (relist(LISTED + "24,x\n"), "is made of 25 utterances, there should be 24"),
        (
            relist(LISTED.rsplit("23,")[0]),
            r"has 23 utterances for test \(23 in test-clean\), there should be 24; remove",
        ),
        (
            lambda root: shutil.rmtree(root / "test-clean"),
            "test-clean.csv lists utterances, but .*test-clean is missing; remove",
        ),
    ],
)
def test_damaged_small_file_is_an_error_that_names_it(copied, tmp_path, damage, message):
    data_dir = copied("theirs")
    damage(data_dir / "librispeech")
    with pytest.raises(DataError, match=message):
        opened(data_dir, tmp_path / "cache")


def test_samples_of_more_bits_are_an_error_when_they_are_read(copied, tmp_path):
    data_dir = copied("theirs")
    save("audio", np.array([2**15]))(data_dir / "librispeech")
    found = opened(data_dir, tmp_path / "cache")["test"]
    with pytest.raises(DataError, match=f"{FIRST}_audio.npy has samples of more than 16 bits; rem"):
        found.audio(found.ids.index(FIRST))


def test_data_prepared_for_longer_utterances_are_refused(folders, tmp_path):
    longest = max(len(audio(name)) for name in kept("test-clean"))
    corpus = dataclasses.replace(CORPUS, longest_audio=longest - 1)
    with pytest.raises(DataError, match=f"has {longest:,} samples, at most {longest - 1:,} are"):
        open_speech(folders["ours"].parent, tmp_path, corpus).utterances("test")


def test_damaged_index_is_an_error_that_says_what_to_remove(folders, tmp_path):
    opened(folders["theirs"].parent, tmp_path)
    (index,) = (tmp_path / "librispeech" / "index").glob("test-clean-*")
    cut(index / "labels")
    with pytest.raises(DataError, match=f"{index}/labels has another size .*; remove {index}, the"):
        opened(folders["theirs"].parent, tmp_path)
    (index / "facts.json").unlink()
    with pytest.raises(DataError, match=f"{index} is damaged .*; remove it, the next start makes"):
        opened(folders["theirs"].parent, tmp_path)


def test_lists_are_those_that_pandas_reads(folders):
    with open(folders["theirs"] / "dev-other.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == npy_subset.read_ids(folders["theirs"], "dev-other", "")


def test_preparation_leaves_the_references_files_alone(copied, folders):
    data_dir = copied("theirs")
    lines = []
    root = prepare(data_dir, report=lines.append, corpus=CORPUS)
    assert root == data_dir / "librispeech"
    assert {path.name for path in root.iterdir()} - {"index"} == {
        path.name for path in folders["theirs"].iterdir()
    }
    assert len([line for line in lines if line.endswith("is there already")]) == 6
    (root / TOKENIZER_FILE).unlink()
    with pytest.raises(DataError, match="train-clean-100 hold labels .*; copy it from where they"):
        prepare(data_dir, report=lines.append, corpus=CORPUS)


def test_another_tokenizer_makes_other_labels(copied, tmp_path):
    data_dir = copied("ours")
    before = opened(data_dir, tmp_path / "cache")["test"]
    other = sentencepiece.SentencePieceTrainer
    path = data_dir / "librispeech" / TOKENIZER_FILE
    lines = [text for of in texts().values() for text in of.values() if text]
    (tmp_path / "text").write_text("\n".join(lines))
    prefix = str(tmp_path / "other")
    other.Train(f"--input={tmp_path}/text --model_prefix={prefix} --vocab_size=40 --model_type=bpe")
    path.write_bytes((tmp_path / "other.model").read_bytes())
    after = opened(data_dir, tmp_path / "cache")["test"]
    assert any(before.labels(i).tolist() != after.labels(i).tolist() for i in range(len(after)))
