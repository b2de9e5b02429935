"""The embedded sample, what it expands to, and its builder."""

import hashlib
import itertools
import json
import zipfile
from pathlib import Path

import pytest

from algoperf_jax.data.sentencepiece_model import UNKNOWN, load
from workloads.wmt import sample, vocabulary
from workloads.wmt.files import STORED, VOCABULARY_FILE
from workloads.wmt.sample import build

FOLDER = Path(sample.__file__).parent


@pytest.fixture(scope="module")
def pairs():
    """German and English sentences of each split."""
    return sample.read_pairs(FOLDER / sample.PAIRS)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The expanded sample's folder."""
    return sample.root(tmp_path_factory.mktemp("cache"))


def test_sample_is_small_and_has_a_license():
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir() if path.is_file()}
    assert sizes[sample.PAIRS] + sizes[sample.VOCABULARY] < 400_000
    assert "Home Assistant" in (FOLDER / "LICENSE").read_text()
    assert "Apache License" in (FOLDER / "LICENSE").read_text()


def test_readme_names_the_files_by_their_checksums():
    text = (FOLDER / "README.md").read_text()
    for name in (sample.PAIRS, sample.VOCABULARY):
        content = (FOLDER / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() in text
        assert f"{len(content):,} bytes" in text


def test_tensorflow_datasets_reads_the_expanded_sample(root, pairs):
    import tensorflow_datasets as tfds

    for name, splits in (("wmt17", ("train",)), ("wmt14", ("validation", "test"))):
        builder = tfds.builder(f"{name}_translate/de-en:1.0.0", data_dir=str(root))
        assert tuple(builder.info.splits) == splits
        for split in splits:
            assert len(builder.info.splits[split].shard_lengths) == sample.SHARDS[split]
            data = tfds.as_numpy(builder.as_dataset(split=split))
            found = sorted((e["de"].decode(), e["en"].decode()) for e in data)
            assert found == sorted(pairs[split])


def test_expanded_sample_is_where_the_loader_looks(root, pairs):
    location = STORED.in_sample(root)
    for split, of_split in pairs.items():
        assert len(location.records(split)) == len(of_split) == sample.EXAMPLES[split]
    assert sample.root(root.parent) == root


def test_every_sentence_fits_and_has_no_unknown_piece(root, pairs):
    loaded = load(root / VOCABULARY_FILE, sample.VOCABULARY_SIZE, "")
    texts = [text for of_split in pairs.values() for pair in of_split for text in pair]
    ids = loaded.encode(texts)
    assert max(map(len, ids)) <= sample.LONGEST
    assert not any(UNKNOWN in sequence for sequence in ids)
    assert loaded.decode(ids) == texts


def test_vocabulary_is_that_of_the_training_pairs(root, pairs, tmp_path):
    encoded = [(german.encode(), english.encode()) for german, english in pairs["train"]]
    vocabulary.train(encoded, sample.VOCABULARY_SIZE, tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == (root / VOCABULARY_FILE).read_bytes()


def test_no_sentence_occurs_twice_in_either_language(pairs):
    for side in range(2):
        words = [
            tuple("".join(c if c.isalnum() else " " for c in pair[side].lower()).split())
            for of_split in pairs.values()
            for pair in of_split
        ]
        assert len(set(words)) == len(words)


def test_sentences_are_plain_and_differ_between_the_languages(pairs):
    for german, english in itertools.chain.from_iterable(pairs.values()):
        assert not set(german + english) & set("{}[]<>|*_`#\\=@~\n\t")
        assert "www" not in english and "://" not in english
        assert german != english
        assert german == " ".join(german.split()) and english == " ".join(english.split())
    for split in ("validation", "test"):
        assert all(english[-1] in ".!?" for _, english in pairs[split])


def test_texts_are_found_under_the_same_keys():
    german = {"b": "B", "a": {"x": "X", "only": "-"}, "c": {"d": "D"}, "n": 1}
    english = {"a": {"x": "x"}, "b": "b", "c": "c", "n": 1}
    assert list(build.texts(german, english)) == [("X", "x"), ("B", "b")]


@pytest.mark.parametrize(
    ("german", "english", "expected"),
    [
        ("Eins ist da. Zwei auch!", "One is there. So is  two!", 2),
        ("Eins ist da. Zwei auch!", "One is there, so is two!", 1),
        ("Das ist z. B. gut.", "This is e.g. good.", 1),
    ],
)
def test_texts_are_split_into_as_many_sentences(german, english, expected):
    found = build.sentences(german, english)
    assert len(found) == expected
    for side, text in enumerate((german, english)):
        assert " ".join(pair[side] for pair in found) == " ".join(text.split())


@pytest.mark.parametrize(
    ("german", "english"),
    [
        ("Das Gerät ist {name} verbunden.", "The device {name} is connected."),
        ("Siehe example.com zur Hilfe.", "See example.com for some help."),
        ("Die Datei /config/x fehlt noch.", "The file /config/x is missing."),
        ("Ist das Gerät bereit.", "Is the device ready now"),
        ("Gerät bereit.", "The device ready."),
        ("Das Gerät bereit.", "Ready now."),
        ("Zustand der kleinen Batterie", "Small battery state"),
        ("Das ist gut.", "This is a very long sentence for so very little."),
        ("Das ist ein sehr langer Satz für so wenig.", "This is too long."),
        ("The Home Assistant Cloud ist da.", "The Home Assistant Cloud is there."),
        ("Das ist gut. " * 12, "This is good. " * 12),
    ],
)
def test_unusable_pairs_are_left_out(german, english):
    assert not build.is_usable(german, english)
    assert build.is_usable("Das Gerät ist jetzt bereit.", "The device is ready now.")


def wheel(path, components):
    with zipfile.ZipFile(path, "w") as archive:
        for name, of_component in components.items():
            for side, language in enumerate(("de", "en")):
                content = {str(k): pair[side] for k, pair in enumerate(of_component)}
                archive.writestr(
                    f"homeassistant/components/{name}/translations/{language}.json",
                    json.dumps(content),
                )
        archive.writestr("homeassistant/other/translations/de.json", "no component")
    return path


def test_components_are_in_one_split_and_sentences_in_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "EXAMPLES", {"train": 25, "validation": 6, "test": 6})
    shared = ("Das kommt überall vor.", "This occurs in all places.")
    components = {
        f"c{i}": [
            shared,
            *[(f"Gerät {i} hat Wert {k}{k}.", f"Device {i} has the value {k}{k}.") for k in "abc"],
            (f"Der Name von {i} ohne Punkt", f"The name of {i} without one"),
        ]
        for i in range(10)
    }
    with zipfile.ZipFile(wheel(tmp_path / "x.whl", components)) as content:
        found = build.choose(content)
    order = sorted(components, key=lambda name: hashlib.md5(name.encode()).hexdigest())
    first, second, third, fourth, *rest = (components[name] for name in order)
    assert found["test"] == [*first[:4], *second[1:3]]
    assert found["validation"] == [*third[1:4], *fourth[1:4]]
    assert found["train"] == [pair for of_component in rest for pair in of_component[1:]]


def test_wheel_of_another_version_is_refused(tmp_path, monkeypatch):
    components = {"a": [("Das Gerät ist jetzt bereit.", "The device is ready now.")]}
    monkeypatch.setattr(sample, "EXAMPLES", {"train": 3, "validation": 0, "test": 1})
    with pytest.raises(ValueError, match="found .*'train': 0.* pairs, not .* another version"):
        build.build(wheel(tmp_path / "x.whl", components), tmp_path)
