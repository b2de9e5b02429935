"""Preparation from small files in the form of upstream's, compared with TensorFlow Datasets."""

import collections
import dataclasses
import hashlib
import lzma
import shutil
from pathlib import Path

import pytest
from wmt_files import EXAMPLES, FOLDER, SIZE, SOURCES, texts, write_archives

from algoperf_jax.data.sentencepiece_model import load
from algoperf_jax.errors import DataError
from workloads.wmt import prepare, sample, sources, vocabulary
from workloads.wmt.files import STORED, TOKENS_FOLDER, VOCABULARY_FILE, WMT14, WMT17
from workloads.wmt.pairs import tokenised


def write_unpacked(folder):
    for name, content in texts().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def run(data_dir, raw=None, lines=None, **options):
    report = (lambda _: None) if lines is None else lines.append
    options = {"examples": EXAMPLES, "vocabulary_size": SIZE, "report": report} | options
    return prepare.prepare(data_dir, raw, **options)


def snapshot(folder):
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Folder with archives, their checksums before, data directory, lines reported, result."""
    folder = tmp_path_factory.mktemp("prepared")
    before = snapshot(write_archives(folder / "raw"))
    lines = []
    result = run(folder / "data", folder / "raw", lines)
    return folder, before, lines, result


@pytest.fixture
def copy(prepared, tmp_path):
    """A data directory like the prepared one, that may be changed."""
    shutil.copytree(prepared[0] / "data", tmp_path / "data")
    return tmp_path / "data"


def test_result_is_in_the_layout_of_the_benchmark(prepared):
    folder, before, _, result = prepared
    assert result == folder / "data" / "wmt" == STORED.root(folder / "data")
    names = set(snapshot(result))
    expected = {VOCABULARY_FILE}
    for name, shards in (("wmt17", {"train": 16}), ("wmt14", {"validation": 1, "test": 1})):
        home = f"{name}_translate/de-en/1.0.0"
        expected |= {f"{home}/{file}" for file in ("dataset_info.json", "features.json")}
        for split, n in shards.items():
            stem = f"{home}/{name}_translate-{split}.tfrecord"
            expected |= {f"{stem}-{k:05d}-of-{n:05d}" for k in range(n)}
    rest = {Path(name).parent.parts[0] for name in names - expected if "tokens/" in name}
    lengths = {name for name in names if name.endswith("record_lengths.npz")}
    assert expected <= names and rest == {TOKENS_FOLDER} and len(lengths) == 3
    assert len(names) == len(expected) + 3 + 3 * 5
    assert snapshot(folder / "raw") == before


@pytest.mark.parametrize(
    ("name", "dataset", "split", "subsets"),
    [
        ("wmt17_translate", WMT17, "train", sources.TRAIN),
        ("wmt14_translate", WMT14, "validation", sources.VALIDATION),
        ("wmt14_translate", WMT14, "test", sources.TEST),
    ],
)
def test_records_are_those_of_tensorflow_datasets(
    prepared, tmp_path, name, dataset, split, subsets
):
    """Its own builder reads the unpacked files; it stores records by the MD5 hash of their keys."""
    import tensorflow_datasets as tfds

    write_unpacked(tmp_path)
    builder = tfds.builder(f"{name}/de-en:1.0.0", data_dir=str(tmp_path / "none"))
    assert builder.subsets[split] == [source.name for source in subsets]
    unpacked = {source.name: [str(tmp_path)] for source in subsets}
    examples = dict(builder._generate_examples(list(unpacked), unpacked))
    assert len(examples) == EXAMPLES[split]
    by_hash = {int(hashlib.md5(f"{split}{key}".encode()).hexdigest(), 16): key for key in examples}
    expected = [examples[by_hash[digest]] for digest in sorted(by_hash)]

    found = tfds.builder(f"{name}/de-en:1.0.0", data_dir=str(prepared[-1]))
    assert found.info.features.keys() == {"de", "en"}
    assert found.info.supervised_keys == ("de", "en")
    shards = dataset.shards[split]
    ends = [round(len(expected) * (k + 1) / shards) for k in range(shards)]
    lengths = found.info.splits[split].shard_lengths
    assert [sum(lengths[: k + 1]) for k in range(shards)] == ends
    begin = 0
    for k, end in enumerate(ends):
        data = found.as_dataset(split=f"{split}[{k}shard]", shuffle_files=False)
        stored = [{key: text.decode() for key, text in e.items()} for e in tfds.as_numpy(data)]
        assert stored == expected[begin:end]
        begin = end


def test_downloads_are_those_of_tensorflow_datasets():
    import tensorflow_datasets as tfds

    folder = Path(tfds.core.tfds_path("url_checksums"))
    lines = {
        line
        for name in ("wmt14_translate.txt", "wmt17_translate.txt")
        for line in (folder / name).read_text().splitlines()
    }
    found = {line.split()[0]: line.split()[1:3] for line in lines}
    downloads = sources.archives(SOURCES)
    assert len(downloads) == 5
    for download in downloads:
        assert found[download.url] == [str(download.size), download.sha256]


def test_sources_are_those_of_tensorflow_datasets(tmp_path):
    from tensorflow_datasets.translate import wmt

    for source in SOURCES:
        known = wmt.DATASET_MAP[source.name]
        assert tuple(known.get_path("de")) == source.files
        assert set(known.get_url("de")) == {source.archive.url}


def test_vocabulary_is_trained_on_the_training_text_in_reading_order(prepared, tmp_path):
    import tensorflow_datasets as tfds

    builder = tfds.builder("wmt17_translate/de-en:1.0.0", data_dir=str(prepared[-1]))
    data = tfds.as_numpy(builder.as_dataset(split="train", shuffle_files=False))
    vocabulary.train([(e["de"], e["en"]) for e in data], SIZE, tmp_path / "model")
    assert (prepared[-1] / VOCABULARY_FILE).read_bytes() == (tmp_path / "model").read_bytes()


def test_tokens_are_those_that_the_loader_looks_for(prepared):
    folder, _, lines, result = prepared
    loaded = load(result / VOCABULARY_FILE, SIZE, "")
    blunt = dataclasses.replace(loaded, processor=None)  # cannot tokenise anything
    for split, count in EXAMPLES.items():
        location = STORED.in_data_dir(folder / "data")
        found = tokenised(split, location, blunt, 256, [result / TOKENS_FOLDER])
        assert len(found) == found.pairs_read == count
    assert f"{result / VOCABULARY_FILE} is ready, SHA-256 {loaded.sha256}" in lines
    assert lines[-1] == "train: 197 of 197 sentence pairs have at most 256 tokens on a side"


def test_second_run_does_nothing_and_needs_no_raw_files(prepared):
    folder, _, _, result = prepared
    before, lines = snapshot(result), []
    run(folder / "data", None, lines)
    assert lines[:2] == [f"{result / d.folder} is there already" for d in (WMT14, WMT17)]
    assert lines[2].startswith(f"{result / VOCABULARY_FILE} is there already, SHA-256 ")
    assert len(lines) == 6
    assert snapshot(result) == before


def test_interrupted_run_goes_on_where_it_stopped(prepared, copy):
    root = copy / "wmt"
    shutil.rmtree(root / WMT14.folder)
    shutil.rmtree(root / TOKENS_FOLDER)
    (root / VOCABULARY_FILE).unlink()
    lines = []
    run(copy, prepared[0] / "raw", lines)
    assert f"{root / WMT17.folder} is there already" in lines
    assert f"{root / WMT14.folder} is ready" in lines
    without_times = {
        name: content for name, content in snapshot(root).items() if not name.endswith(".npz")
    }
    theirs = snapshot(prepared[-1])
    assert without_times == {name: theirs[name] for name in without_times}


def test_unpacked_files_serve_as_well(prepared, tmp_path):
    """Without the archive's own folders, too, and beside the archives of others."""
    raw = write_unpacked(tmp_path / "raw")
    for name in sources.TRAIN[0].files:
        (raw / name).rename(raw / Path(name).name)
    for name in sources.TRAIN[1].files:
        (raw / name).unlink()
    filename = sources.TRAIN[1].archive.filename
    shutil.copy(prepared[0] / "raw" / filename, raw / filename)
    root = run(tmp_path / "data", raw)
    found, expected = snapshot(root), snapshot(prepared[-1])
    assert {k: v for k, v in found.items() if "tfrecord" in k and ".npz" not in k} == {
        k: v for k, v in expected.items() if "tfrecord" in k and ".npz" not in k
    }
    assert found[VOCABULARY_FILE] == expected[VOCABULARY_FILE]


@pytest.mark.parametrize("keep", [False, True])
def test_archives_are_downloaded_when_none_are_given(prepared, tmp_path, monkeypatch, keep):
    raw = prepared[0] / "raw"

    def local(source):
        content = (raw / source.archive.filename).read_bytes()
        archive = dataclasses.replace(
            source.archive,
            url=(raw / source.archive.filename).as_uri(),
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        return dataclasses.replace(source, archive=archive)

    here = {split: tuple(map(local, of)) for split, of in prepare._SOURCES.items()}
    monkeypatch.setattr(prepare, "_SOURCES", here)
    lines = []
    root = run(tmp_path / "data", None, lines, keep_download=keep)
    left = sorted(path.name for path in root.glob("*.tgz"))
    assert left == (sorted(path.name for path in raw.iterdir()) if keep else [])
    archives = [str(root / source.archive.filename) for source in sources.TRAIN]
    assert f"converting {' and '.join(archives)}; this takes some minutes" in lines
    assert snapshot(root)[VOCABULARY_FILE] == snapshot(prepared[-1])[VOCABULARY_FILE]


def test_given_vocabulary_is_taken(prepared, copy, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    model = lzma.decompress((FOLDER / sample.VOCABULARY).read_bytes())
    path = copy / "wmt" / VOCABULARY_FILE
    # A field that no reader knows makes another file of the same size in pieces.
    (raw / VOCABULARY_FILE).write_bytes(path.read_bytes() + b"\x78\x00")
    with pytest.raises(DataError, match="model is there already and is another one than .*remove"):
        run(copy, raw)
    (raw / VOCABULARY_FILE).write_bytes(model)
    with pytest.raises(DataError, match=f"^{raw}/{VOCABULARY_FILE} has .* replace or remove it"):
        run(copy, raw)
    path.unlink()
    run(copy, raw, vocabulary_size=sample.VOCABULARY_SIZE)
    assert path.read_bytes() == model
    run(copy, raw, vocabulary_size=sample.VOCABULARY_SIZE)


def test_vocabulary_of_another_size_is_refused(copy):
    with pytest.raises(DataError, match="has 200 pieces, there should be 300; remove .*run it"):
        run(copy, vocabulary_size=300)


def test_pair_too_long_to_be_evaluated_is_an_error(copy, monkeypatch):
    monkeypatch.setattr(prepare, "LONGEST", 40)
    with pytest.raises(DataError, match=r"[1-9]\d* sentence pairs of validation have more than 40"):
        run(copy)


def test_long_pairs_of_the_training_text_are_counted(copy, monkeypatch):
    monkeypatch.setattr(prepare, "LONGEST", 40)
    monkeypatch.setattr(prepare, "_EVALUATED", ())
    lines = []
    run(copy, None, lines)
    kept = int(lines[-1].split()[1])
    assert lines[-1].startswith("train: ") and 20 < kept < 197


def remove(name):
    return lambda raw: (raw / name).unlink()


def append(name, content):
    def change(raw):
        path = raw / name
        path.write_bytes(path.read_bytes() + content)

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            remove("rapid2016.de-en.en"),
            "raw has neither rapid2016.tgz nor rapid2016.de-en.de and rapid2016.de-en.en; get "
            "http://data.statmt.org/.*, or leave --raw out",
        ),
        (remove("dev/newstest2013.de"), "raw has neither dev.tgz nor dev/newstest2013.de"),
        (append("commoncrawl.de-en.de", b"\xff\n"), "commoncrawl.de-en.de, line 61 is not UTF-8"),
        (append("commoncrawl.de-en.en", b"more\n"), "commoncrawl.de-en.de has 61 lines, .* 62;"),
        (append("dev/newstest2013.de", b"more\n"), "newstest2013.de has 22 lines, .* 21;"),
        (
            lambda raw: [append(f"commoncrawl.de-en.{k}", b"more\n")(raw) for k in ("de", "en")],
            "'train' has 198 examples, there should be 197; replace .*/raw and run it again",
        ),
    ],
)
def test_wrong_raw_file_is_an_error_that_names_it(tmp_path, damage, message):
    raw = write_unpacked(tmp_path / "raw")
    damage(raw)
    with pytest.raises(DataError, match=message):
        run(tmp_path / "data", raw)
    assert not (tmp_path / "data" / "wmt" / WMT17.folder).exists()
    assert not list(tmp_path.glob("data/wmt/**/.unfinished*"))


def test_raw_has_to_be_a_folder(tmp_path):
    with pytest.raises(DataError, match="dev.tgz is not a folder; for wmt --raw takes one"):
        run(tmp_path / "data", tmp_path / "dev.tgz")


def test_disk_has_to_hold_everything(tmp_path, monkeypatch):
    usage = collections.namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9))
    raw = write_unpacked(tmp_path / "raw")
    with pytest.raises(DataError, match=r"needs 4.42 GB of free disk space, 1.00 GB are free"):
        run(tmp_path / "data", raw)
    with pytest.raises(DataError, match=r"needs 6.36 GB of free disk space"):
        run(tmp_path / "data")


def test_facts_of_the_full_data():
    assert STORED.examples == {"train": 5_906_184, "validation": 3_000, "test": 3_003}
