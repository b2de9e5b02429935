"""Preparation from small files in the form of upstream's."""

import collections
import dataclasses
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from librispeech_files import (
    CORPUS,
    LONG_AUDIO,
    LONG_TEXT,
    NO_AUDIO,
    NO_TRANSCRIPTS,
    audio,
    kept,
    texts,
    write_archives,
    write_flac,
    write_tree,
)

from algoperf_jax.data import preparation
from algoperf_jax.errors import DataError
from workloads.librispeech import prepare, sources, subset, tokenizer
from workloads.librispeech.files import LIBRISPEECH, TOKENIZER_FILE
from workloads.librispeech.utterances import open_speech


def run(data_dir, raw=None, lines=None, **options):
    report = (lambda _: None) if lines is None else lines.append
    options = {"corpus": CORPUS, "report": report} | options
    return prepare.prepare(data_dir, raw, **options)


def snapshot(folder):
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Folder with a raw tree, its checksums before, lines reported, result."""
    folder = tmp_path_factory.mktemp("prepared")
    before = snapshot(write_tree(folder / "raw"))
    lines = []
    result = run(folder / "data", folder / "raw", lines)
    return folder, before, lines, result


@pytest.fixture
def raw(prepared, tmp_path):
    """A tree like that of `prepared`, that may be changed."""
    shutil.copytree(prepared[0] / "raw", tmp_path / "raw")
    return tmp_path / "raw"


@pytest.fixture
def copy(prepared, tmp_path):
    """A data directory like the prepared one, that may be changed."""
    shutil.copytree(prepared[0] / "data", tmp_path / "data")
    return tmp_path / "data"


def test_prepared_utterances_are_those_that_were_spoken(prepared, tmp_path):
    folder, before, _, result = prepared
    assert result == folder / "data" / "librispeech"
    assert snapshot(folder / "raw") == before
    data = open_speech(folder / "data", tmp_path, CORPUS)
    for split, subsets in CORPUS.splits.items():
        found = data.utterances(split)
        assert found.ids == [name for subset in subsets for name in kept(subset)]
        said = {name: text for subset in subsets for name, text in texts()[subset].items()}
        for i, name in enumerate(found.ids):
            np.testing.assert_array_equal(found.audio(i), audio(name))
            assert data.tokenizer.decode([found.labels(i)]) == [said[name]]
    assert not list(tmp_path.iterdir())  # everything lies with the data


def test_what_is_left_out_is_counted_by_its_reason(prepared):
    assert (
        "train-clean-100: 33 of 37 utterances kept; left out: 1 chapter without transcripts, "
        "1 transcript too long, 1 audio too long, 1 without audio"
    ) in prepared[2]
    assert "dev-other: 12 of 12 utterances kept" in prepared[2]
    left_out = (prepared[-1] / "train-clean-100" / "left_out").read_text().splitlines()
    assert [line.partition("\t")[2].split(" ")[0] for line in left_out] == [
        NO_TRANSCRIPTS,
        LONG_TEXT,
        LONG_AUDIO,
        NO_AUDIO,
    ]
    hours = sum(len(audio(name)) for s in CORPUS.splits["train"] for name in kept(s)) / 57_600_000
    assert [line for line in prepared[2] if line.endswith(".0 hours")] == [
        f"train: 69 utterances, {hours:,.1f} hours",
        "validation: 36 utterances, 0.0 hours",
        "test: 24 utterances, 0.0 hours",
    ]


def left_out(root):
    """The reasons, by the ids of what is left out of train-clean-100."""
    lines = (root / "train-clean-100" / "left_out").read_text().splitlines()
    rows = [line.partition("\t") for line in lines]
    return {rest.partition(" ")[0]: reason for reason, _, rest in rows}


def edit(path, old, new):
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))


def test_checks_are_made_in_the_references_order(raw, tmp_path):
    """Audio that is missing, then the transcript's length, then the audio's."""
    place = raw / "LibriSpeech" / "train-clean-100" / "19" / "198"
    (place / f"{LONG_TEXT}.flac").unlink()
    text = texts()["train-clean-100"]
    edit(place / "19-198.trans.txt", text[LONG_AUDIO], text[LONG_TEXT])
    root = run(tmp_path / "data", raw)
    assert left_out(root)[LONG_TEXT] == "without audio"
    assert left_out(root)[LONG_AUDIO] == "transcript too long"


def test_archives_give_the_same_files(prepared, tmp_path):
    archives = write_archives(prepared[0] / "raw", tmp_path / "archives")
    root = run(tmp_path / "data", archives)
    assert snapshot(root) == snapshot(prepared[-1])
    assert len(list(archives.iterdir())) == 6


def test_the_folder_librispeech_itself_serves_as_well(prepared, copy):
    shutil.rmtree(copy / "librispeech" / "dev-clean")
    root = run(copy, prepared[0] / "raw" / "LibriSpeech")
    assert snapshot(root) == snapshot(prepared[-1])


@pytest.mark.parametrize("keep", [False, True])
def test_archives_are_downloaded_when_none_are_given(prepared, tmp_path, monkeypatch, keep):
    archives = write_archives(prepared[0] / "raw", tmp_path / "archives")

    def local(archive):
        content = (archives / archive.filename).read_bytes()
        url = (archives / archive.filename).as_uri()
        return dataclasses.replace(
            archive, url=url, size=len(content), sha256=hashlib.sha256(content).hexdigest()
        )

    here = {name: local(archive) for name, archive in sources.ARCHIVES.items()}
    monkeypatch.setattr(prepare, "ARCHIVES", here)
    root = run(tmp_path / "data", None, keep_download=keep)
    left = sorted(path.name for path in root.glob("*.tar.gz"))
    assert left == (sorted(path.name for path in archives.iterdir()) if keep else [])
    theirs = snapshot(prepared[-1])
    assert {name: digest for name, digest in snapshot(root).items() if name in theirs} == theirs


def test_archives_are_those_of_tensorflow_datasets():
    import tensorflow_datasets as tfds

    path = Path(tfds.core.tfds_path("datasets/librispeech/checksums.tsv"))
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    found = {url.partition("://")[2]: (int(size), sha256) for url, size, sha256, _ in rows}
    assert sources.ARCHIVES.keys() == LIBRISPEECH.utterances.keys()
    for name, archive in sources.ARCHIVES.items():
        assert archive.filename == f"{name}.tar.gz"
        assert found[archive.url.partition("://")[2]] == (archive.size, archive.sha256)


def test_tokenizer_is_trained_on_all_transcripts_of_one_subset_in_order(prepared, tmp_path):
    """What is left out for its length is among them."""
    said = [text for text in texts()["train-clean-100"].values() if text]
    assert list(subset.transcripts(prepared[-1] / "train-clean-100")) == said
    tokenizer.train(said, CORPUS.pieces, tmp_path / "model")
    assert (prepared[-1] / TOKENIZER_FILE).read_bytes() == (tmp_path / "model").read_bytes()


def test_second_run_does_nothing_and_needs_no_raw_files(prepared):
    folder, _, _, result = prepared
    before, lines = snapshot(result), []
    run(folder / "data", None, lines)
    assert lines[:6] == [f"{result / name} is there already" for name in CORPUS.utterances]
    assert lines[6].startswith(f"{result / TOKENIZER_FILE} is there already, SHA-256 ")
    assert len(lines) == 10
    assert snapshot(result) == before


def test_interrupted_run_goes_on_subset_by_subset(raw, tmp_path, prepared, monkeypatch):
    broken = raw / "LibriSpeech" / "train-clean-100" / "19" / "227" / "19-227-0000.flac"
    content = broken.read_bytes()
    broken.write_bytes(b"")
    with pytest.raises(DataError):
        run(tmp_path / "data", raw)
    root = tmp_path / "data" / "librispeech"
    assert {path.name for path in root.iterdir()} == {"dev-clean", "dev-other", "test-clean"}
    times = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    broken.write_bytes(content)
    run(tmp_path / "data", raw)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert snapshot(root) == snapshot(prepared[-1])


def test_what_a_killed_process_left_is_removed(prepared, copy):
    left = copy / "librispeech" / ".unfinished-x"
    (left / "dev-clean").mkdir(parents=True)
    shutil.rmtree(copy / "librispeech" / "dev-clean")
    run(copy, prepared[0] / "raw")
    assert not left.exists()


def test_given_tokenizer_is_taken(prepared, copy, tmp_path):
    raw = tmp_path / "given"
    raw.mkdir()
    path = copy / "librispeech" / TOKENIZER_FILE
    # A field that no reader knows makes another file of the same size in pieces.
    other = path.read_bytes() + b"\x78\x00"
    (raw / TOKENIZER_FILE).write_bytes(other)
    with pytest.raises(DataError, match="is there already and is another one than .*; remove"):
        run(copy, raw)
    path.unlink()
    run(copy, raw)
    assert path.read_bytes() == other
    (raw / TOKENIZER_FILE).write_bytes(b"no model")
    with pytest.raises(DataError, match=f"^{raw}/{TOKENIZER_FILE} is not .*replace or remove it"):
        run(copy, raw)


def test_tokenizer_of_another_size_is_refused(copy):
    corpus = dataclasses.replace(CORPUS, pieces=50)
    with pytest.raises(DataError, match="has 40 pieces, there should be 50; remove .*run it again"):
        run(copy, corpus=corpus)


def place(raw, utterance, subset="dev-clean"):
    speaker, chapter, _ = utterance.split("-")
    return raw / "LibriSpeech" / subset / speaker / chapter / f"{utterance}.flac"


FIRST = "84-121123-0003"
TRANSCRIPTS = Path("LibriSpeech", "dev-clean", "84", "121123", "84-121123.trans.txt")


def truncate(raw):
    content = place(raw, FIRST).read_bytes()
    place(raw, FIRST).write_bytes(content[: len(content) // 2])


def spoil(raw):
    """Other samples below the checksum of the first ones."""
    path = place(raw, FIRST)
    header = path.read_bytes()[:42]
    samples = audio(FIRST)
    samples[100] ^= 1
    write_flac(path, samples)
    path.write_bytes(header + path.read_bytes()[42:])


def shorten(raw):
    """Less is there than was written, and the file's beginning says so too."""
    samples = audio(FIRST)
    path = place(raw, FIRST)
    md5 = path.read_bytes()[26:42]
    write_flac(path, samples[:-1])
    content = path.read_bytes()
    path.write_bytes(content[:26] + md5 + content[42:])


def say(old, new):
    return lambda raw: edit(raw / TRANSCRIPTS, old, new)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, f"^{FIRST}: .*{FIRST}.flac cannot be decoded .*; unpack its archive"),
        (spoil, f"^{FIRST}: .*{FIRST}.flac is damaged, its checksum is wrong; unpack"),
        (shorten, f"^{FIRST}: .*{FIRST}.flac is damaged, its checksum is wrong"),
        (lambda raw: place(raw, FIRST).write_bytes(b"RIFF" * 20), f"^{FIRST}: .*FLAC files do"),
        (lambda raw: place(raw, FIRST).write_bytes(b""), f"^{FIRST}: .*FLAC files do"),
        (
            lambda raw: write_flac(place(raw, FIRST), audio(FIRST), rate=8_000),
            f"^{FIRST}: .* has 8,000 Hz, 16 bits, channels: 1; .* 16,000 Hz, .*; replace",
        ),
        (
            lambda raw: write_flac(place(raw, FIRST), np.stack([audio(FIRST)] * 2, 1)),
            f"^{FIRST}: .* has 16,000 Hz, 16 bits, channels: 2",
        ),
        (
            lambda raw: write_flac(place(raw, FIRST), audio(FIRST), subtype="PCM_24"),
            f"^{FIRST}: .* has 16,000 Hz, 24 bits, channels: 1",
        ),
        (
            lambda raw: shutil.copy(place(raw, FIRST), place(raw, "84-121123-0099")),
            "^84-121123-0099: .*0099.flac has no line in .*84-121123.trans.txt; unpack",
        ),
        (say(f"{FIRST} ", "84-121123-0002 "), "line 4: 84-121123-0002 is there twice; unpack"),
        (say(f"{FIRST} ", "84-999-0002 "), "line 4 is .84-999-0002 .*, not '84-121123-<number> <"),
        (say(texts()["dev-clean"][FIRST], ""), f"line 4 is '{FIRST}', not"),
        (
            lambda raw: (raw / TRANSCRIPTS).write_bytes(b"\xff\n"),
            "84-121123.trans.txt is not UTF-8",
        ),
        (
            say(f"{FIRST} ", f"{FIRST} Q@"),
            f"^the transcript of {FIRST} has characters that are in no piece of the tokenizer; rep",
        ),
        (
            lambda raw: shutil.rmtree(place(raw, FIRST).parent),
            "dev-clean is made of 12 utterances, there should be 24; replace .*and run it again",
        ),
        (
            lambda raw: place(raw, FIRST).unlink(),
            r"has 35 utterances for validation \(23 in dev-clean and 12 in dev-other\), there "
            "should be 36; remove .*/dev-clean and prepare it with: python scripts/prepare_data.py",
        ),
        (
            lambda raw: shutil.rmtree(raw / "LibriSpeech" / "dev-clean"),
            "raw has neither LibriSpeech/dev-clean nor dev-clean.tar.gz; get https://www.openslr",
        ),
    ],
)
def test_wrong_raw_file_is_an_error_that_says_which(raw, tmp_path, damage, message):
    damage(raw)
    with pytest.raises(DataError, match=message):
        run(tmp_path / "data", raw)
    assert not list(tmp_path.glob("data/**/.unfinished*"))


def test_archive_of_something_else_is_refused(prepared, tmp_path):
    archives = write_archives(prepared[0] / "raw", tmp_path / "archives")
    shutil.copy(archives / "dev-other.tar.gz", archives / "dev-clean.tar.gz")
    with pytest.raises(DataError, match="dev-clean.tar.gz is another archive .*no dev-clean is in"):
        run(tmp_path / "data", archives)
    content = (archives / "dev-other.tar.gz").read_bytes()
    (archives / "dev-clean.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="dev-clean.tar.gz is not a tar file or is incomplete"):
        run(tmp_path / "data", archives)


def test_raw_has_to_be_a_folder(tmp_path):
    with pytest.raises(DataError, match="x.tar.gz is not a folder; for librispeech --raw takes"):
        run(tmp_path / "data", tmp_path / "x.tar.gz")


def test_disk_has_to_hold_everything(raw, tmp_path, monkeypatch):
    """1,000 hours of audio and, one after the other, archives and what they hold."""
    usage = collections.namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9))
    audio_only = 977 * 3_600 * 16_000 * 2 / 1e9
    largest = 30.593501606 * (1 + 1.02)
    for given, keep, more in ((raw, False, 0), (None, False, largest), (None, True, 61.03 * 2.02)):
        with pytest.raises(DataError, match="GB of free disk space, 1.00 GB are free") as error:
            run(tmp_path / "data", given, keep_download=keep, corpus=LIBRISPEECH)
        needed = float(str(error.value).partition(" needs ")[2].partition(" GB")[0])
        assert needed == pytest.approx(audio_only + more, abs=0.1)


def test_two_processes_do_not_prepare_at_once(raw, tmp_path):
    # A lock belongs to an open file, so this process keeps itself out as it does another.
    with (
        preparation.alone_in(tmp_path / "data" / "librispeech"),
        pytest.raises(DataError, match="another process is preparing .*; wait until it ends"),
    ):
        run(tmp_path / "data", raw)


def test_facts_of_the_full_corpus():
    assert sum(LIBRISPEECH.utterances.values()) == 289_428
    assert LIBRISPEECH.examples == {"train": 263_840, "validation": 5_348, "test": 2_472}
    assert (LIBRISPEECH.longest_audio, LIBRISPEECH.longest_transcript) == (20 * 16_000, 256)
    assert (LIBRISPEECH.longest_labels, LIBRISPEECH.pieces) == (256, 1_024)
