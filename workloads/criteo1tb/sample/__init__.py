"""The embedded sample of the Criteo workload; `README.md` says what it is."""

import functools
import io
import json
import lzma
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from algoperf_jax.data.order import permutation
from algoperf_jax.data.sample import expanded_sample, prepared_in
from workloads.criteo1tb.files import ClickLogs

COLUMNS = "flights.xz"

NAMES_OF_FLIGHTS = ("carrier", "tailnum", "origin", "dest")
NEVER_ARRIVED = 2
"""What `late` is of a flight that was cancelled or diverted; else 0 or 1."""

_TRAINING_DAY = 12_928
_LAST_DAY = 30_002

LOGS = ClickLogs(
    lines=(*(_TRAINING_DAY for _ in range(23)), _LAST_DAY),
    shard_lines=1_000,
    test_shards=15,
    eval_train_examples=15_000,
)

_SEED = 0
_VERSION = "1"  # of what `_expand` writes


def root(cache_dir: Path) -> Path:
    """Returns the folder with the sample in the form that `prepare` makes, at first use made so."""
    return expanded_sample(
        Path(__file__).parent,
        (COLUMNS,),
        _expand,
        name="criteo1tb_sample",
        version=_VERSION,
        cache_dir=cache_dir,
    )


def packed(columns: Mapping[str, np.ndarray]) -> bytes:
    """Returns the content of `COLUMNS` before it is compressed: names, then arrays."""
    content = io.BytesIO()
    content.write(json.dumps(list(columns)).encode() + b"\n")
    for array in columns.values():
        # The first characters of all texts, then the second ones: neighbours are alike.
        is_text = array.dtype.kind == "S"
        flat = array.view("u1").reshape(len(array), -1).T if is_text else array
        np.lib.format.write_array(content, np.ascontiguousarray(flat), allow_pickle=False)
    return content.getvalue()


def read_columns(source_dir: Path) -> dict[str, np.ndarray]:
    """Returns the columns of the tables `flights`, `weather` and `planes`.

    Names are `table.column`. Texts are bytes; a number that is not known is NaN.
    """
    content = io.BytesIO(lzma.decompress((source_dir / COLUMNS).read_bytes()))
    columns = {}
    for name in json.loads(content.readline()):
        array = np.lib.format.read_array(content, allow_pickle=False)
        if array.ndim == 2:
            array = np.ascontiguousarray(array.T).view(f"S{len(array)}")[:, 0]
        columns[name] = array
    return columns


def write_text(source_dir: Path, folder: Path) -> None:
    """Writes the sample as the reference's set-up lays out Criteo's logs: shards of text."""
    from workloads.criteo1tb.sample.features import lines_of

    lines = lines_of(read_columns(source_dir))
    order = permutation([_SEED], len(lines)).tolist()
    folder.mkdir()
    start = 0
    for day, count in enumerate(LOGS.lines):
        of_day = order[start : start + count]
        for shard, first in enumerate(range(0, count, LOGS.shard_lines)):
            chosen = of_day[first : first + LOGS.shard_lines]
            text = "".join([lines[i] for i in chosen])
            (folder / f"day_{day}_{shard:02}").write_text(text)
        start += count


def category(text: str) -> str:
    """A category of eight hexadecimal digits."""
    return f"{zlib.crc32(text.encode()):08x}"


def _expand(source_dir: Path, destination: Path) -> None:
    # It opens what it has made, and whoever opens data knows the sample.
    from workloads.criteo1tb.prepare import prepare

    quietly = functools.partial(prepare, report=lambda line: None, logs=LOGS)
    prepared_in(destination, functools.partial(write_text, source_dir), quietly)
