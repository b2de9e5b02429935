"""The embedded sample, what it expands to, and its builder."""

import hashlib
import io
import shutil

import numpy as np
import pytest
import soundfile
from librispeech_files import FOLDER
from loaded_modules import loaded

from algoperf_jax.data.sentencepiece_model import load
from workloads.librispeech import sample, tokenizer
from workloads.librispeech.files import TOKENIZER_FILE
from workloads.librispeech.sample import build
from workloads.librispeech.utterances import open_speech


@pytest.fixture(scope="module")
def transcripts():
    """The utterances of each subset."""
    return sample.read_transcripts(FOLDER)


@pytest.fixture(scope="module")
def expanded(tmp_path_factory):
    """The cache folder and the opened sample."""
    cache = tmp_path_factory.mktemp("cache")
    return cache, open_speech(None, cache, sample.CORPUS)


def test_sample_is_small_and_has_a_license():
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir() if path.is_file()}
    assert sum(sizes[name] for name in sample.FILES) < 1_900_000
    assert "eSpeak NG" in (FOLDER / "LICENSE").read_text()
    assert "Apache License" in (FOLDER / "LICENSE").read_text()


def test_readme_names_the_files_by_their_checksums():
    text = (FOLDER / "README.md").read_text()
    for name in sample.FILES:
        content = (FOLDER / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        assert f"| `{name}` | {len(content):,} | `{digest}` |" in text


def test_expanded_sample_is_what_is_in_the_archives(expanded, transcripts):
    cache, data = expanded
    for split, subset in sample.SUBSETS.items():
        found = data.utterances(split)
        assert len(found) == sample.EXAMPLES[split]
        assert found.ids == [one.id for one in transcripts[subset]]
        assert found.lengths.tolist() == [one.samples for one in transcripts[subset]]
        labels = [found.labels(i) for i in range(len(found))]
        assert data.tokenizer.decode(labels) == [one.transcript for one in transcripts[subset]]
        audio = sample.read_audio(FOLDER, subset, transcripts[subset])
        for i, samples in enumerate(audio):
            np.testing.assert_array_equal(found.audio(i), samples)
            assert fits(samples, labels[i])
    (folder,) = cache.iterdir()
    assert folder == sample.root(cache)
    assert {path.name for path in folder.iterdir()} == {
        *sample.SUBSETS.values(),
        TOKENIZER_FILE,
        "index",
    }


def fits(audio, labels):
    """Whether CTC can align the labels with a frame for each 40 ms; independent of the builder."""
    frames = np.ceil(np.ceil(np.ceil(len(audio) / 160) / 2) / 2)
    needed = len(labels) + np.count_nonzero(labels[1:] == labels[:-1])
    return needed <= frames and len(labels) <= 24 and len(audio) <= 24_000 and 0 not in labels


def test_speech_is_loud_and_silence_short(expanded):
    for split in sample.SUBSETS:
        found = expanded[1].utterances(split)
        for i in range(0, len(found), 7):
            audio = found.audio(i) / 2**15
            assert 0.02 < np.sqrt(np.mean(audio**2)) < 0.1
            assert np.abs(audio).max() < 1


def test_voices_and_utterances_of_the_splits_are_disjoint(transcripts):
    speakers = {subset: {one.id.split("-")[0] for one in of} for subset, of in transcripts.items()}
    assert {subset: len(of) for subset, of in speakers.items()} == {
        "train-clean-100": 55,
        "dev-clean": 10,
        "test-clean": 10,
    }
    assert len(set.union(*speakers.values())) == 75
    voices = build.speakers()
    assert {split: len(set(of)) for split, of in voices.items()} == {
        split: len(speakers[subset]) for split, subset in sample.SUBSETS.items()
    }
    of_split = {voice: split for split, of in voices.items() for voice in of}
    for family in build.FAMILIES:
        assert len({of_split[voice] for voice in family}) == 1


def test_every_word_can_be_learned(transcripts):
    said = {
        subset: [word for one in of for word in one.transcript.split()]
        for subset, of in transcripts.items()
    }
    assert sorted(set(said["train-clean-100"])) == build.words()
    assert min(said["train-clean-100"].count(word) for word in build.words()) >= 2
    for subset in ("dev-clean", "test-clean"):
        assert len(said[subset]) > 600
        assert set(said[subset]) <= set(said["train-clean-100"])
        assert any("'" in word for word in said[subset])


def test_tokenizer_is_that_of_the_training_transcripts(transcripts, expanded, tmp_path):
    said = [one.transcript for one in transcripts["train-clean-100"]]
    tokenizer.train(said, sample.PIECES, tmp_path / "model")
    path = sample.root(expanded[0]) / TOKENIZER_FILE
    assert (tmp_path / "model").read_bytes() == path.read_bytes()
    assert load(path, sample.PIECES, "").sha256 == expanded[1].tokenizer.sha256


def test_opening_loads_no_other_library(expanded):
    program = (
        "import sys; from pathlib import Path; from workloads.librispeech import sample;"
        "from workloads.librispeech.utterances import open_speech;"
        "data = open_speech(None, Path(sys.argv[1]), sample.CORPUS);"
        "data.utterances('train').audio(0)"
    )
    assert not {"tensorflow", "torch", "soundfile", "scipy"} & loaded(program, expanded[0])


def test_serial_number_is_all_that_changes_in_a_stream():
    """The library's decoder checks each page's checksum."""
    stream = (FOLDER / "dev-clean.opus").read_bytes()
    other = build.with_serial(stream, 77)
    assert other != stream and build.with_serial(other, build.SERIAL) == stream
    (a, _), (b, _) = (soundfile.read(io.BytesIO(content)) for content in (stream, other))
    np.testing.assert_array_equal(a, b)
    broken = bytearray(other)
    broken[22] ^= 1  # the checksum of the first page
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(io.BytesIO(bytes(broken)))


@pytest.mark.parametrize(
    ("samples", "labels", "expected"),
    [
        (24_000, [3] * 19, True),
        (24_000, [3] * 20, False),
        (24_001, [3, 4] * 12, False),
        (6_400, [3, 4] * 5, True),
        (6_400, [3, 3, 4, 5, 6, 7, 8, 9, 10, 2], False),
        (6_401, [3, 3, 4, 5, 6, 7, 8, 9, 10, 2], True),
        (24_000, [3, 4] * 12, True),
        (24_000, [3, 4] * 12 + [2], False),
    ],
)
def test_utterance_fits_when_ctc_can_align_it(samples, labels, expected):
    assert build.fits(np.zeros(samples, np.int16), labels) == expected


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng speaks")
def test_builder_says_the_same_again(transcripts):
    """The first utterances of the test split, compared with what is left of them after Opus."""
    voices = build.speakers()["test"][:1]
    drawn = build.draw(voices, 20, 1)
    assert [one for one, _ in drawn] == transcripts["test-clean"][:20]
    kept = sample.read_audio(FOLDER, "test-clean", transcripts["test-clean"])
    for (_, spoken), decoded in zip(drawn[:4], kept, strict=False):
        assert np.corrcoef(spoken, decoded)[0, 1] > 0.8
