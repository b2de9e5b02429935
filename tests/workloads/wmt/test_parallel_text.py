"""Upstream's text files and archives, read as plain Python reads them."""

import numpy as np
import pytest

from algoperf_jax.data.download import Download
from algoperf_jax.errors import DataError
from workloads.wmt import parallel_text
from workloads.wmt.parallel_text import Lines, find, read_text
from workloads.wmt.sources import Source

ARCHIVE = Download(url="http://nowhere/archive.tgz", size=1, sha256="0")
TEXT = Source("text", ARCHIVE, ("texts/a.de", "texts/a.en"))
SEGMENTS = Source("segments", ARCHIVE, ("dev/a-src.de.sgm", "dev/a-ref.en.sgm"))


def write(folder, source, german, english):
    for name, content in zip(source.files, (german, english), strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def random_text():
    """Lines with umlauts, carriage returns and separators that end a line elsewhere; some empty."""
    rng = np.random.default_rng(0)
    letters = ["a", "ä", "€", "\r", "\x0b", "\x85", "\u2028", " "]
    lines = ["".join(rng.choice(letters, rng.integers(0, 9))) for _ in range(300)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("block", [(1, 1), (7, 3), (1 << 24, 1 << 16)])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
def test_lines_end_at_line_feeds_only(tmp_path, monkeypatch, block, end):
    monkeypatch.setattr(parallel_text, "_BLOCK_BYTES", block[0])
    monkeypatch.setattr(parallel_text, "_BLOCK_LINES", block[1])
    content = random_text() + end
    (tmp_path / "text").write_bytes(content)
    lines = Lines(tmp_path / "text")
    assert list(lines) == content.split(b"\n")
    assert [lines[i] for i in (-1, 17, 0)] == [content.split(b"\n")[i] for i in (-1, 17, 0)]
    assert lines.is_empty().tolist() == [not line for line in content.split(b"\n")]


def test_empty_file_is_one_empty_line(tmp_path):
    (tmp_path / "text").touch()
    lines = Lines(tmp_path / "text")
    assert list(lines) == [b""]
    assert lines.is_empty().tolist() == [True]


@pytest.mark.parametrize("block_lines", [1, 2, 1 << 16])
@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"gut\n\xffschlecht\ngut", 2),
        (b"schlecht \xc3\ngut", 1),
        (b"gut\ngut\nschlecht \xe2\x82", 3),
        (b"gut\n\n\xed\xa0\x80\n", 3),
    ],
)
def test_line_that_is_not_utf8_is_named(tmp_path, monkeypatch, block_lines, content, line):
    monkeypatch.setattr(parallel_text, "_BLOCK_LINES", block_lines)
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(DataError, match=f"^{tmp_path}/text, line {line} is not UTF-8 .*; replace"):
        Lines(tmp_path / "text")


def test_pairs_with_an_empty_side_are_left_out(tmp_path):
    write(tmp_path, TEXT, b"eins\n\ndrei\n \n\n", b"one\ntwo\n\n \n\n")
    text = read_text(TEXT, tmp_path)
    assert (text.name, text.kept.tolist()) == ("text", [0, 3])
    assert (text.german[2], text.english[1]) == (b"drei", b"two")


def test_segments_are_taken_as_they_are(tmp_path):
    german = (
        b'<srcset setid="a" srclang="any">\n<doc docid="1">\n<p>\n'
        b'<seg id="1">&quot;Ja&quot; &amp; nein</seg>\n'
        b' <seg id="2">eingeschoben</seg>\n'
        b'<seg id="3"></seg>\n'
        b'<seg id="4">a</seg> b</seg> c\r\n'
        b"</p>\n"
    )
    english = b'<seg id="1">one</seg>\n<seg id="3">two</seg>\n<seg id="004">three</seg>'
    write(tmp_path, SEGMENTS, german, english)
    text = read_text(SEGMENTS, tmp_path)
    assert list(text.german) == [b"&quot;Ja&quot; &amp; nein", b"", b"a</seg> b"]
    assert list(text.english) == [b"one", b"two", b"three"]
    assert text.kept.tolist() == [0, 2]


def test_different_numbers_of_lines_are_an_error(tmp_path):
    write(tmp_path, TEXT, b"eins\nzwei\n", b"one\ntwo\nthree\n")
    with pytest.raises(DataError, match="texts/a.de has 3 lines, .*texts/a.en 4; line i of both"):
        read_text(TEXT, tmp_path)
    with pytest.raises(DataError, match="a-src.de.sgm is missing"):
        read_text(SEGMENTS, tmp_path)


def test_files_are_found_with_and_without_their_folder(tmp_path):
    assert find("texts/a.de", tmp_path) is None
    (tmp_path / "a.de").touch()
    assert find("texts/a.de", tmp_path) == tmp_path / "a.de"
    write(tmp_path, TEXT, b"", b"")
    assert find("texts/a.de", tmp_path) == tmp_path / "texts" / "a.de"
