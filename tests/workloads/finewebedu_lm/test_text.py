"""From texts to batches: tokenizer, preparation, sequences, and what is wrong with the input.

What is right says the `tiktoken` package's own GPT-2 rule, the table of the workload's description,
and plain Python.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import workloads
from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import DataError
from workloads.finewebedu_lm import sample
from workloads.finewebedu_lm.dataset import dataset, open_data
from workloads.finewebedu_lm.files import Corpus
from workloads.finewebedu_lm.metrics import TokenMetrics, compute_metrics
from workloads.finewebedu_lm.prepare import prepare
from workloads.finewebedu_lm.tokenizer import END_OF_TEXT, MERGES, VOCABULARY, read_tokenizer

SAMPLE = Path(sample.__file__).parent
CORPUS = Corpus(8, 1_024, 1, 4, 4)
TEXTS = [f"Document {i}: it is a truth, universally acknowledged. " * (i % 5) for i in range(300)]


@pytest.fixture
def raw(tmp_path):
    """Texts in two Parquet files, one of them empty and one null, beside the tokenizer."""
    folder = tmp_path / "raw"
    folder.mkdir()
    pl.DataFrame({"text": [*TEXTS[:100], None], "id": range(101)}).write_parquet(
        folder / "000.parquet"
    )
    pl.DataFrame({"text": TEXTS[100:]}).write_parquet(folder / "001.parquet")
    for name in (VOCABULARY, MERGES):
        shutil.copy(SAMPLE / name, folder)
    return folder


def documents(tokens, end):
    """The token stream cut behind each end of a text."""
    cuts = np.flatnonzero(tokens == end) + 1
    return [tuple(part) for part in np.split(tokens, cuts)[:-1]]


def test_every_document_is_there_once_shuffled_and_divided(tmp_path, raw):
    told = []
    root = prepare(tmp_path / "data", raw, corpus=CORPUS, report=told.append)
    tokenizer = read_tokenizer(SAMPLE, 1_024)
    right = [tuple(ids.tolist()) for ids in tokenizer.encode(TEXTS) if len(ids)]
    found = {}
    for part in ("train", "val"):
        tokens = np.fromfile(root / "tokens.arrays" / f"{part}_tokens", "<u2")
        ends = np.fromfile(root / "tokens.arrays" / f"{part}_ends", "<i8")
        found[part] = documents(tokens, 1_023)
        np.testing.assert_array_equal(ends, np.cumsum([len(one) for one in found[part]]))
    together = found["train"] + found["val"]
    assert sorted(together) == sorted(right)
    assert found["train"] != sorted(found["train"]) and together != right
    assert 0.04 < len(found["val"]) / len(together) < 0.18
    assert any("SHA-256" in line for line in told)


def test_sequences_are_cut_from_the_stream_and_cross_documents(tmp_path, raw):
    prepare(tmp_path / "data", raw, corpus=CORPUS, report=lambda line: None)
    data = open_data(tmp_path / "data", tmp_path, corpus=CORPUS)
    path = tmp_path / "data" / "fineweb_edu_10B" / "tokens.arrays" / "val_tokens"
    stream = np.fromfile(path, "<u2")
    share = BatchShare.whole(3)
    batches = list(dataset("validation", data, share, seed=0, corpus=CORPUS))
    assert [batch["weights"][0, :, 0].tolist() for batch in batches] == [[1, 1, 1], [1, 0, 0]]
    rows = np.concatenate([batch["inputs"][0] for batch in batches])[:4]
    targets = np.concatenate([batch["targets"][0] for batch in batches])[:4]
    for i in range(4):
        np.testing.assert_array_equal(rows[i], stream[9 * i : 9 * i + 8])
        np.testing.assert_array_equal(targets[i], stream[9 * i + 1 : 9 * i + 9])
    assert list(dataset("test", data, share, seed=0, corpus=CORPUS)) == []
    train = dataset("train", data, BatchShare.whole(len(data.train)), seed=0, corpus=CORPUS)
    epoch = next(train)
    assert "weights" not in epoch
    assert sorted(map(tuple, epoch["inputs"][0])) == sorted(map(tuple, data.train[:, :-1]))


def test_what_the_reference_has_tokenised_is_taken_as_it_is(tmp_path):
    raw = tmp_path / "raw"
    rows = {"train": [[1, 2, 3], [], [4] * 50], "val": [[5] * 40, [6, 7]]}
    for part, of_part in rows.items():
        (raw / part).mkdir(parents=True)
        (raw / part / "state.json").write_text(
            json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]})
        )
        table = pl.DataFrame({"input_ids": of_part}, schema={"input_ids": pl.List(pl.Int32)})
        table.write_ipc_stream(raw / part / "data-00000-of-00001.arrow")
    root = prepare(tmp_path / "data", raw, corpus=CORPUS, report=lambda line: None)
    for part, of_part in rows.items():
        tokens = np.fromfile(root / "tokens.arrays" / f"{part}_tokens", "<u2")
        assert tokens.tolist() == [x for row in of_part for x in row]
    table = pl.DataFrame({"input_ids": [[1_024]]}, schema={"input_ids": pl.List(pl.Int32)})
    table.write_ipc_stream(raw / "val" / "data-00000-of-00001.arrow")
    with pytest.raises(DataError, match="ids from 1024 to 1024, the model has 1,024"):
        prepare(tmp_path / "again", raw, corpus=CORPUS, report=lambda line: None)


@pytest.mark.parametrize(
    "damage, told",
    [
        (lambda raw: (raw / VOCABULARY).unlink(), "has neither vocab.json nor encoder.json"),
        (lambda raw: (raw / VOCABULARY).write_text('{"a": 0}'), "has 1 pieces, the model has"),
        (lambda raw: (raw / MERGES).write_text("#version\na b\n"), "do not belong together"),
        (lambda raw: (raw / MERGES).write_text("#version\na b c\n"), "line 2: 'a b c' is no two"),
        (lambda raw: (raw / "000.parquet").write_bytes(b"PAR1"), "000.parquet cannot be read"),
        (
            lambda raw: pl.DataFrame({"words": ["a"]}).write_parquet(raw / "000.parquet"),
            "has no column of texts called 'text'",
        ),
        (
            lambda raw: pl.DataFrame({"text": [b"\xff\xfe"]}).write_parquet(raw / "000.parquet"),
            "has no column of texts called 'text'; it has text",  # bytes are not UTF-8
        ),
    ],
)
def test_bad_input_is_told(tmp_path, raw, damage, told):
    damage(raw)
    with pytest.raises(DataError, match=told):
        prepare(tmp_path / "data", raw, corpus=CORPUS, report=lambda line: None)


def test_prepared_tokens_that_do_not_fit_are_told(tmp_path, raw):
    prepare(tmp_path / "data", raw, corpus=CORPUS, report=lambda line: None)
    with pytest.raises(DataError, match="ids of 1024 pieces, the model has 50257"):
        open_data(tmp_path / "data", tmp_path)
    with pytest.raises(DataError, match="for val, 99,999 are evaluated"):
        open_data(tmp_path / "data", tmp_path, corpus=CORPUS._replace(validation_sequences=99_999))
    file = tmp_path / "data" / "fineweb_edu_10B" / "tokens.arrays" / "train_tokens"
    file.write_bytes(file.read_bytes()[:-2])
    with pytest.raises(DataError, match="train_tokens has .* bytes, there should be"):
        open_data(tmp_path / "data", tmp_path, corpus=CORPUS)
    with pytest.raises(DataError, match="--raw"):
        prepare(tmp_path / "again", None, corpus=CORPUS)


def test_the_tokenizer_gives_back_texts_and_ends_them():
    tokenizer = read_tokenizer(SAMPLE, 1_024)
    texts = ["Hello world", "  naïve café — 3.14 \n\n\tx=1", f"a{END_OF_TEXT}b", ""]
    found = tokenizer.encode(texts)
    for text, ids in zip(texts[:3], found[:3], strict=True):
        assert tokenizer.decode(ids) == text + END_OF_TEXT
        assert ids[-1] == 1_023 and ids.dtype == np.uint16
    assert (found[2] == 1_023).sum() == 2 and len(found[3]) == 0


def test_the_sample_is_what_its_corpus_says(tmp_path):
    data = open_data(None, tmp_path, corpus=sample.CORPUS)
    assert len(data.train) == sample.CORPUS.training_sequences
    assert data.train.max() < 1_024
    documents_ = sample.read_documents(SAMPLE)
    assert {part: len(texts) for part, texts in documents_.items()} == {"train": 214, "val": 24}


def test_full_scale_has_the_benchmark_s_facts():
    workload = workloads.get("finewebedu_lm", "full")
    assert list(workload.limits) == ["v0.6-a100"]
    assert (workload.batch_size, workload.eval_batch_size) == (64, 256)
    assert workload.num_examples["validation"] == 391 * 256
    assert workload.num_examples["eval_train"] == 40 * 256


def test_perplexity_beyond_float64_is_infinite():
    merged = TokenMetrics.single_from_model_output(
        published=np.float32(2e3), float32=np.float32(3.0), n_valid=np.float32(1.0)
    )
    found = compute_metrics(merged, None)
    assert found["ppl"] == np.inf and found["ppl_float32"] == pytest.approx(np.exp(3.0))
