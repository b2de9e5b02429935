"""Builds the embedded sample: digits and commands, spoken by eSpeak NG in many voices.

    python -m workloads.librispeech.sample.build [--output DIR]

Needs the program `espeak-ng` in the version that README.md names. Users never run this.
"""

import argparse
import hashlib
import io
import lzma
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.signal
import soundfile

from algoperf_jax.data.sentencepiece_model import load
from workloads.librispeech import sample, tokenizer
from workloads.librispeech.sample import Utterance

# eSpeak NG's variants of its English voice. Those of a line are too much alike to be in different
# splits; left out are robots, whispers and those that can hardly be understood.
FAMILIES = tuple(
    line.split()
    for line in """
    Alex adam caleb klatt klatt3
    Alicia f1
    Andrea
    Andy f2
    Annie f3
    AnxiousAndy f4
    Denis
    Diogo
    Gene Gene2
    Henrique Hugo
    Lee
    Marco
    Mario
    Michael
    Mike
    Nguyen
    anika
    antonio
    aunty
    belinda linda
    benjamin edward edward2
    boris max
    david klatt2
    ed
    f5
    grandma grandpa
    gustave
    iven iven2 iven3 iven4
    john
    kaukovalta
    m1
    m2
    m3
    m4
    m5
    m6 m7
    m8
    marcelo robert
    michel miguel
    norbert
    pablo
    paul
    pedro
    quincy
    rob
    sandro
    shelby
    steph steph2 steph3
    travis
    victor
    zac
    """.strip().splitlines()
)

ACCENTS = ["en-us", "en-gb", "en-gb-scotland"]
SPEEDS = (180, 230)  # words a minute, at least and at most
PITCHES = (40, 60)  # eSpeak NG's scale; its default is 50
LOUDNESS = (0.04, 0.09)  # root mean square of the samples, full scale is 1
LOUDEST = 0.8  # of all samples

CHAPTERS = 4  # of a speaker, each with an accent, a speed, a pitch and a loudness of its own
_SPLIT_SPEAKERS = {"test": 10, "validation": 10, "train": 55}

DIGITS = ["ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"]
FEWEST_DIGITS, MOST_DIGITS = 2, 5
SHARE_OF_DIGITS = 0.75

# Each is a sequence of choices; an empty choice is no word.
COMMANDS = (
    ("TURN SWITCH", "ON OFF", "THE MY", "LIGHT LAMP FAN RADIO HEATER"),
    ("OPEN CLOSE LOCK", "THE", "DOOR WINDOW GARAGE GATE"),
    ("PLAY STOP PAUSE", "THE", "MUSIC VIDEO NEWS"),
    ("DON'T", "OPEN CLOSE PLAY STOP", "IT THAT"),
    ("GO MOVE TURN", "LEFT RIGHT BACK UP DOWN", " NOW"),
    ("SET", "THE", "ALARM TIMER", "FOR TO", " ".join(DIGITS[1:])),
    ("CALL ASK TELL", "MOTHER FATHER SISTER BROTHER", " AGAIN"),
    ("WHAT'S WHERE'S", "THE", "TIME WEATHER KITCHEN GARDEN"),
    ("YES NO", "PLEASE THANKS", " AGAIN"),
)

RATE, SPOKEN_RATE = 16_000, 22_050
MARGIN = 800  # samples before the first and behind the last that is loud
LOUD = 0.005
COMPRESSION = 0.985  # about ten kilobits a second; from 0.99 on sounds above 4 kHz are dropped

SERIAL = 1
"""Number of the Ogg stream; the library draws one by the clock."""


class Manner(NamedTuple):
    """How a chapter is spoken."""

    voice: str
    accent: str
    speed: int
    pitch: int
    loudness: float


def sentence(rng: np.random.Generator) -> str:
    """Returns a string of digits or a command, upper case."""
    if rng.random() < SHARE_OF_DIGITS:
        count = rng.integers(FEWEST_DIGITS, MOST_DIGITS + 1)
        return " ".join(rng.choice(DIGITS, count))
    command = COMMANDS[rng.integers(len(COMMANDS))]
    return " ".join(filter(None, (str(rng.choice(words.split(" "))) for words in command)))


def words() -> list[str]:
    """Returns every word that may be said, sorted."""
    commands = (word for command in COMMANDS for choice in command for word in choice.split())
    return sorted({*DIGITS, *commands})


def speak(text: str, manner: Manner) -> np.ndarray:
    """Returns what eSpeak NG says, int16 `[samples]` at 16 kHz, with short silence around it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"  # what it writes to a pipe states a wrong length
        subprocess.run(
            [
                *("espeak-ng", "-v", f"{manner.accent}+{manner.voice}"),
                *("-s", str(manner.speed), "-p", str(manner.pitch), "-w", str(path), text.lower()),
            ],
            check=True,
        )
        spoken, rate = soundfile.read(path)
    if rate != SPOKEN_RATE:
        raise ValueError(f"espeak-ng speaks at {rate} Hz, not at {SPOKEN_RATE}")
    audio = scipy.signal.resample_poly(spoken, RATE // 50, SPOKEN_RATE // 50)
    loud = np.flatnonzero(np.abs(audio) > LOUD * np.abs(audio).max())
    audio = audio[max(0, loud[0] - MARGIN) : loud[-1] + MARGIN]
    scale = min(manner.loudness / np.sqrt(np.mean(audio**2)), LOUDEST / np.abs(audio).max())
    return np.round(audio * scale * 32_767).astype(np.int16)


def fits(audio: np.ndarray, labels: Sequence[int]) -> bool:
    """Whether an utterance is short enough, and long enough for CTC to align its labels.

    The models make a frame of 160 samples and halve their number twice; a label takes one, and one
    more where it equals the label before it.
    """
    frames = -(-len(audio) // (160 * 4))
    needed = len(labels) + sum(a == b for a, b in zip(labels, labels[1:], strict=False))
    short = len(audio) <= sample.LONGEST_AUDIO and len(labels) <= sample.LONGEST_LABELS
    return short and needed <= frames


def speakers() -> dict[str, list[str]]:
    """Returns the voices of each split, families as they are.

    Families come in an order as good as random, that of the MD5 hashes of their first names.
    """
    left = sorted(FAMILIES, key=lambda family: hashlib.md5(family[0].encode()).digest())
    found: dict[str, list[str]] = {}
    for split, wanted in _SPLIT_SPEAKERS.items():
        found[split] = []
        while left and len(found[split]) < wanted:
            found[split] += left.pop(0)
    return found


def with_serial(stream: bytes, serial: int) -> bytes:
    """Returns an Ogg stream with another serial number on all of its pages (RFC 3533)."""
    pages, begin = [], 0
    while begin < len(stream):
        segments = stream[begin + 26]
        end = begin + 27 + segments + sum(stream[begin + 27 : begin + 27 + segments])
        page = bytearray(stream[begin:end])
        page[14:18] = struct.pack("<I", serial)
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", _ogg_checksum(page))
        pages.append(bytes(page))
        begin = end
    return b"".join(pages)


def _ogg_checksum(page: bytearray) -> int:
    checksum = 0
    for byte in page:
        checksum = (checksum << 8 & 0xFFFFFFFF) ^ _CHECKSUMS[checksum >> 24 ^ byte]
    return checksum


def _checksum_of(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = (value << 1 ^ (0x04C11DB7 if value & 1 << 31 else 0)) & 0xFFFFFFFF
    return value


_CHECKSUMS = [_checksum_of(byte) for byte in range(256)]


def draw(
    voices: Sequence[str], count: int, first_speaker: int
) -> list[tuple[Utterance, np.ndarray]]:
    """Returns utterances of some voices, equally many of each, with their audio.

    Speakers are numbered from `first_speaker` on. What takes longer than it may is drawn again.
    """
    each, rest = divmod(count, len(voices))
    if rest:
        raise ValueError(f"{count} utterances cannot be equally many of {len(voices)} voices")
    found = []
    for speaker, voice in enumerate(voices, first_speaker):
        rng = np.random.default_rng(speaker)
        for chapter in range(CHAPTERS):
            manner = Manner(
                voice,
                str(rng.choice(ACCENTS)),
                int(rng.integers(*SPEEDS)),
                int(rng.integers(*PITCHES)),
                float(rng.uniform(*LOUDNESS)),
            )
            for number in range(len(range(chapter, each, CHAPTERS))):
                audio = np.zeros(sample.LONGEST_AUDIO + 1, np.int16)
                while len(audio) > sample.LONGEST_AUDIO:
                    text = sentence(rng)
                    audio = speak(text, manner)
                name = f"{speaker}-{speaker * 100 + chapter}-{number:04d}"
                found.append((Utterance(name, len(audio), text), audio))
    return found


def opus(audio: Sequence[np.ndarray]) -> bytes:
    """Returns an Ogg file of Opus with all audio, one after the other."""
    content = io.BytesIO()
    soundfile.write(
        content,
        np.concatenate(audio),
        RATE,
        format="OGG",
        subtype="OPUS",
        compression_level=COMPRESSION,
    )
    return with_serial(content.getvalue(), SERIAL)


def build(output: Path) -> None:
    """Writes the archives to `output`.

    Raises:
      ValueError: an utterance has more labels than it may, or than CTC can align.
    """
    archives, transcripts, drawn = {}, {}, {}
    first_speaker = 1
    for split, voices in speakers().items():
        drawn[split] = draw(voices, sample.EXAMPLES[split], first_speaker)
        first_speaker += len(voices)
    for split, subset in sample.SUBSETS.items():
        transcripts[subset] = [one for one, _ in drawn[split]]
        archives[f"{subset}.opus"] = opus([audio for _, audio in drawn[split]])
    archives[sample.TRANSCRIPTS] = sample.packed(transcripts)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        training = [one.transcript for one, _ in drawn["train"]]
        tokenizer.train(training, sample.PIECES, model)
        loaded = load(model, sample.PIECES, "")
        archives[sample.TOKENIZER] = lzma.compress(
            model.read_bytes(), preset=9 | lzma.PRESET_EXTREME
        )
    for split, of_split in drawn.items():
        labels = loaded.encode([one.transcript for one, _ in of_split])
        for (one, audio), ids in zip(of_split, labels, strict=True):
            if not fits(audio, ids):
                raise ValueError(f"{one} does not fit: it has {len(ids)} labels")
        count = sum(len(one.transcript.split()) for one, _ in of_split)
        seconds = sum(len(audio) for _, audio in of_split) / RATE
        print(
            f"{split}: {len(of_split):,} utterances, {seconds / 60:.1f} minutes, {count:,} words, "
            f"at most {max(len(audio) for _, audio in of_split):,} samples, "
            f"{sum(map(len, labels)) / len(labels):.1f} labels, at most {max(map(len, labels))}"
        )
    for name, content in archives.items():
        (output / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the embedded sample of speech.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    build(parser.parse_args().output)


if __name__ == "__main__":
    main()
