"""Downloads from a small server on this machine."""

import hashlib
import http.server
import threading

import pytest

from algoperf_jax.data.download import Download, fetch, require_disk
from algoperf_jax.errors import DataError

CONTENT = bytes(range(256)) * 8_000  # two megabytes: several chunks


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT; `break_after` cuts the next answer short, `ranges` switches resuming off."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requested_ranges = []
        self.ranges = True
        self.break_after = None


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        requested = self.headers.get("Range")
        self.server.requested_ranges.append(requested)
        if self.path != "/file.zip":
            return self.send_error(404)
        start = 0
        if requested and self.server.ranges:
            start = int(requested.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        stop, self.server.break_after = self.server.break_after, None
        self.wfile.write(CONTENT[start:stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def download_from(server, *, name="file.zip", sha256=None):
    return Download(
        url=f"http://127.0.0.1:{server.server_port}/{name}",
        size=len(CONTENT),
        sha256=sha256 or hashlib.sha256(CONTENT).hexdigest(),
    )


def silent(name, done, total):
    pass


def test_file_arrives_whole_under_its_own_name(server, tmp_path):
    seen = []
    path = fetch(
        download_from(server), tmp_path / "new", progress=lambda *progress: seen.append(progress)
    )
    assert path == tmp_path / "new" / "file.zip"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == ("file.zip", len(CONTENT), len(CONTENT))
    assert list(path.parent.iterdir()) == [path]


def test_second_call_downloads_nothing(server, tmp_path):
    fetch(download_from(server), tmp_path, progress=silent)
    fetch(download_from(server), tmp_path, progress=silent)
    assert server.requested_ranges == [None]


def test_connection_that_breaks_is_resumed_within_one_call(server, tmp_path):
    server.break_after = 1_500_000
    path = fetch(download_from(server), tmp_path, progress=silent)
    assert path.read_bytes() == CONTENT
    assert server.requested_ranges == [None, "bytes=1500000-"]


def test_interrupted_download_is_resumed_by_the_next_call(server, tmp_path):
    def interrupt(name, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(download_from(server), tmp_path, progress=interrupt)
    arrived = (tmp_path / "file.zip.part").stat().st_size
    assert 0 < arrived < len(CONTENT)
    assert not (tmp_path / "file.zip").exists()
    path = fetch(download_from(server), tmp_path, progress=silent)
    assert path.read_bytes() == CONTENT
    assert server.requested_ranges == [None, f"bytes={arrived}-"]


def test_server_without_ranges_sends_the_whole_file_again(server, tmp_path):
    server.ranges = False
    (tmp_path / "file.zip.part").write_bytes(b"something else")
    path = fetch(download_from(server), tmp_path, progress=silent)
    assert path.read_bytes() == CONTENT


def test_wrong_checksum_is_an_error_and_leaves_nothing_behind(server, tmp_path):
    with pytest.raises(DataError, match=r"SHA-256 [0-9a-f]{64}, expected .* with 0{64}"):
        fetch(download_from(server, sha256="0" * 64), tmp_path, progress=silent)
    assert list(tmp_path.iterdir()) == []


def test_file_the_server_does_not_have_is_an_error_with_its_answer(server, tmp_path):
    with pytest.raises(DataError, match="other.zip: the server answers 404"):
        fetch(download_from(server, name="other.zip"), tmp_path, progress=silent)


def test_too_small_a_disk_is_an_error_before_anything_starts(tmp_path):
    with pytest.raises(DataError, match="needs 1000000000.00 GB of free disk space"):
        require_disk(tmp_path / "not" / "there", 10**18)
