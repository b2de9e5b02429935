"""Preparation from small text files in the form of upstream's."""

import json
import os
import shutil

import numpy as np
import pytest
from click_logs import LOGS, label_of, lines_of_day, numbers_of, write_days, write_shards

from algoperf_jax.data.preparation import alone_in
from algoperf_jax.errors import DataError
from workloads.criteo1tb.dataset import open_data
from workloads.criteo1tb.files import CRITEO
from workloads.criteo1tb.prepare import prepare


def run(data_dir, raw, lines=None, **options):
    report = (lambda _: None) if lines is None else lines.append
    return prepare(data_dir, raw, **{"logs": LOGS, "report": report} | options)


def all_lines(folder):
    """Labels, numbers and rows of each day."""
    data = open_data(folder, folder, logs=LOGS)
    return [day.lines(0, len(day)) for day in data.days]


@pytest.fixture
def raw(tmp_path):
    """A folder with shards of text, that may be changed."""
    return write_shards(tmp_path / "raw")


@pytest.fixture
def copy(data_dir, tmp_path):
    """A data directory like the prepared one, that may be changed."""
    shutil.copytree(data_dir / "criteo1tb", tmp_path / "data" / "criteo1tb")
    return tmp_path / "data"


def test_prepared_lines_are_those_of_the_text(data_dir):
    for day, found in enumerate(all_lines(data_dir)):
        lines = lines_of_day(day)
        assert found.labels.tolist() == [label_of(line) for line in lines]
        np.testing.assert_allclose(found.numbers, [numbers_of(line) for line in lines], rtol=2e-7)
        assert found.rows.shape == (len(lines), 26)


@pytest.mark.parametrize("form", ["days", "packed shards"])
def test_days_in_one_file_and_packed_shards_give_the_same(data_dir, tmp_path, form):
    raw = tmp_path / "raw"
    if form == "days":
        write_days(raw)
    else:
        write_shards(raw, packed=True)
    run(tmp_path, raw)
    for found, expected in zip(all_lines(tmp_path), all_lines(data_dir), strict=True):
        for array, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(array, other)


def test_text_may_lie_where_the_arrays_go(tmp_path):
    write_shards(tmp_path / "criteo1tb")
    assert run(tmp_path, tmp_path / "criteo1tb") == tmp_path / "criteo1tb"
    assert len(all_lines(tmp_path)) == len(LOGS.lines)


def test_days_that_are_there_stay(copy, raw):
    folder = copy / "criteo1tb"
    shutil.rmtree(folder / "day_2.arrays")
    before = (folder / "day_1.arrays" / "rows").stat().st_mtime_ns
    reported = []
    run(copy, raw, reported)
    assert (folder / "day_1.arrays" / "rows").stat().st_mtime_ns == before
    assert [line for line in reported if line.endswith("is ready")] == [
        f"{folder / 'day_2.arrays'} is ready"
    ]
    assert f"converting {raw}; day 2 of 4, 7 lines" in reported
    run(copy, None)  # everything is there


def test_without_text_the_source_is_named(tmp_path):
    with pytest.raises(DataError, match=r"day_0\.gz to day_23\.gz from https://ailab\.criteo\.com"):
        run(tmp_path, None)
    with pytest.raises(DataError, match="another process is preparing"):
        (tmp_path / "criteo1tb").mkdir()
        with alone_in(tmp_path / "criteo1tb"):
            run(tmp_path, write_shards(tmp_path / "raw"))


def test_bad_line_is_named_and_nothing_is_left(raw, tmp_path):
    path = raw / "day_1_01"
    lines = path.read_text().splitlines()
    lines[6] = lines[6] + "\t1"
    path.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(DataError, match=r"day_1_01, line 7 has 41 fields"):
        run(tmp_path, raw)
    assert sorted(p.name for p in (tmp_path / "criteo1tb").iterdir()) == ["day_0.arrays"]


def test_shards_of_other_lengths_are_refused(raw, tmp_path):
    lines = (raw / "day_1_00").read_text().splitlines(keepends=True)
    (raw / "day_1_00").write_text("".join(lines[1:]))
    with pytest.raises(DataError, match=r"day_1_00 has 9 lines, shards of a day have 10"):
        run(tmp_path, raw)


def test_a_missing_last_shard_is_noticed(raw, tmp_path):
    (raw / "day_1_02").unlink()
    told = r"has 2 shards of day 1, day_1_01 is the last; its 30 lines make 3 of 10"
    with pytest.raises(DataError, match=told):
        run(tmp_path, raw)


def test_an_empty_shard_is_refused(raw, tmp_path):
    (raw / "day_2_00").write_text("")
    with pytest.raises(DataError, match=r"day_2_00 is empty"):
        run(tmp_path, raw)


def test_text_that_has_changed_since_is_noticed(raw, tmp_path):
    run(tmp_path, raw)
    path = raw / "day_2_00"
    content = path.read_text()
    path.write_text(content + content.splitlines(keepends=True)[0])
    for act in (lambda: open_data(tmp_path, tmp_path, logs=LOGS), lambda: run(tmp_path, raw)):
        with pytest.raises(DataError, match=r"day_2_00 has changed since .*day_2\.arrays was made"):
            act()
    path.write_text(content)
    os.utime(path, ns=(0, 0))
    with pytest.raises(DataError, match="has changed since"):
        open_data(tmp_path, tmp_path, logs=LOGS)
    path.unlink()  # text may go when it has served
    open_data(tmp_path, tmp_path, logs=LOGS)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda day: (day / "rows").write_bytes(b"1234"), r"rows has 4 bytes, there should be 728"),
        (lambda day: (day / "labels").unlink(), r"labels is missing; remove .*prepare_data\.py"),
        (lambda day: (day / "facts.json").unlink(), r"has no facts\.json; remove .*prepare_data"),
        (lambda day: (day / "facts.json").write_text("{}"), r"facts\.json is missing or damaged"),
        (lambda day: shutil.rmtree(day), r"day_2\.arrays does not exist; prepare it with: python"),
    ],
)
def test_damaged_days_are_refused(copy, tmp_path, damage, message):
    damage(copy / "criteo1tb" / "day_2.arrays")
    with pytest.raises(DataError, match=message):
        open_data(copy, tmp_path, logs=LOGS)


def test_another_number_of_lines_is_refused(copy, tmp_path):
    facts = copy / "criteo1tb" / "day_2.arrays" / "facts.json"
    content = json.loads(facts.read_text())
    day = copy / "criteo1tb" / "day_2.arrays"
    for name in ("labels", "numbers", "rows"):
        (day / name).write_bytes((day / name).read_bytes()[: -((day / name).stat().st_size // 7)])
    facts.write_text(json.dumps(content | {"items": {"labels": 6, "numbers": 6, "rows": 6}}))
    with pytest.raises(DataError, match=r"has 6 examples, there should be 7"):
        open_data(copy, tmp_path, logs=LOGS)


def test_the_benchmark_s_days_have_its_examples():
    assert CRITEO.examples == {
        "train": 4_195_197_692,
        "validation": 83_274_637,
        "test": 95_000_000,
        "eval_train": 83_361_792,
    }
    assert len(CRITEO.shards("train")) == 849
    assert (len(CRITEO.shards("test")), len(CRITEO.shards("validation"))) == (19, 17)
    last = CRITEO.shards("validation")[-1]
    assert (last.day, last.stop - last.start) == (23, 3_274_637)
