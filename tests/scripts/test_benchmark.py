"""The benchmark's command line: what it prints and what it loads; never how fast anything is."""

import re
import subprocess
import sys
from pathlib import Path

import benchmark
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf_jax.errors import UserError
from workloads.comparison import Compiled
from workloads.criteo1tb import throughput as click_throughput
from workloads.fastmri.timing import throughput as scan_throughput
from workloads.imagenet import throughput
from workloads.librispeech.timing import throughput as speech_throughput
from workloads.wmt import decoding_time

SCRIPTS = Path(benchmark.__file__).parent


def test_step_needs_neither_data_nor_data_libraries():
    arguments = "--workload=criteo1tb --part=step --steps=6 --repetitions=1 --batch_size=8"
    code = (
        f"import sys, benchmark\nsys.argv = ['benchmark.py', *'{arguments}'.split()]\n"
        "assert benchmark.main() == 0\n"
        "print({'jax', 'tensorflow', 'tensorflow_datasets'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=SCRIPTS, timeout=600
    )
    assert done.returncode == 0, done.stderr
    *_, summary, loaded = done.stdout.splitlines()
    assert re.search(r"criteo1tb at scale mini, batch 8 .* examples a second", summary)
    assert loaded == "{'jax'}"


@pytest.fixture
def printed(monkeypatch, capsys):
    """What the program prints with some arguments; it ends well."""

    def printed(*arguments):
        monkeypatch.setattr(sys, "argv", ["benchmark.py", *arguments])
        assert benchmark.main() == 0
        return capsys.readouterr().out

    return printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workload=ogbg", "--steps=5"], "first 5 warm up"),
        (["--workload=ogbg", "--part=loop", "--scale=full"], "needs --data_dir"),
    ],
)
def test_flags_that_measure_nothing_say_why(arguments, message, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *arguments])
    with pytest.raises(UserError, match=message):
        benchmark.main()


@pytest.mark.parametrize("name", ["imagenet_resnet", "imagenet_vit"])
def test_input_prints_pipeline_and_limit_on_files_of_imagenet_s_size(name, monkeypatch, printed):
    monkeypatch.setattr(throughput, "DIFFERENT_IMAGES", 3)
    monkeypatch.setattr(throughput, "BATCH_SIZE", 2)
    out = printed(f"--workload={name}", "--part=input", "--repetitions=1", "--count=2")
    # ImageNet's training files take 110 kB on average.
    assert 90 < float(re.search(r"files of (\d+) kB", out)[1]) < 130
    assert re.search(r"pipeline [\d,]+ images/s/core, yardstick [\d,]+", out)


def test_input_of_text_prints_tokens_beside_tokenising(printed):
    out = printed("--workload=wmt", "--part=input", "--repetitions=1", "--count=1000")
    assert "10,293 sentence pairs of the sample" in out
    assert re.search(r"pipeline [\d,]+ tokens/s/core, yardstick [\d,]+", out)


class _Halves:
    """Halves of two numbers in two ways, the second of which is off by `error`."""

    description = "two numbers"
    tolerance = 1e-3
    error = 0.0

    def __init__(self, workload, scale):
        assert (workload, scale) == ("ogbg", "mini")

    def plain(self):
        return lambda: {"half": np.array([1.0, 2.0])}

    def fast(self):
        return Compiled(lambda x: {"half": x / 2 + self.error}, jnp.array([2.0, 4.0]))


def test_comparison_prints_the_ratio_of_two_ways(monkeypatch, printed):
    monkeypatch.setattr(decoding_time, "Comparison", _Halves)
    monkeypatch.setitem(benchmark.COMPARISONS, "decode", {"ogbg": decoding_time.__name__})
    out = printed("--workload=ogbg", "--part=decode", "--repetitions=2")
    assert out.startswith("two numbers\n")
    assert re.search(r"fast: [\d.]+ MB of temporary memory", out)
    assert len(re.findall(r"plain [\d.]+ s, fast [\d.]+ s", out)) == 2


def test_comparison_of_different_results_measures_nothing(monkeypatch):
    monkeypatch.setattr(decoding_time, "Comparison", _Halves)
    monkeypatch.setattr(_Halves, "error", 0.003)  # the tolerance allows 0.002
    monkeypatch.setitem(benchmark.COMPARISONS, "decode", {"ogbg": decoding_time.__name__})
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--workload=ogbg", "--part=decode"])
    with pytest.raises(UserError, match="differ by 0.003 where values reach 2; the tolerance"):
        benchmark.main()


def test_ctc_compares_the_kit_s_loss_with_optax_s(printed):
    out = printed("--workload=librispeech_conformer", "--part=ctc", "--repetitions=1")
    assert "librispeech_conformer at scale mini, 4 examples, 60 frames" in out


@pytest.mark.slow  # compiles a decoder six times
def test_decode_compares_two_ways_to_the_same_tokens(monkeypatch, capsys):
    monkeypatch.setattr(decoding_time, "SENTENCES", 3)
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--workload=wmt", "--part=decode"])
    assert benchmark.main() == 0
    out = capsys.readouterr().out
    assert "wmt at scale mini, 3 sentences, 48 tokens" in out
    assert re.search(r"median ratio [\d.]+, ratio of the fastest [\d.]+, of 5 pairs", out)
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--workload=ogbg", "--part=decode"])
    with pytest.raises(UserError, match="ogbg has no part decode; wmt has"):
        benchmark.main()


@pytest.mark.parametrize(
    "part", ["ctc", "framing", "lstm", pytest.param("buckets", marks=pytest.mark.slow)]
)
def test_parts_of_speech_workloads_give_what_the_plain_forms_give(part, printed):
    out = printed("--workload=librispeech_deepspeech", f"--part={part}", "--repetitions=1")
    assert out.startswith("librispeech_deepspeech at scale mini, ")
    assert re.search(r"plain [\d.]+ s, fast [\d.]+ s", out)


@pytest.mark.slow  # expands the sample; those of text, clicks and scans do the same here
def test_input_of_speech_prints_utterances_beside_decoding(monkeypatch, printed):
    monkeypatch.setattr(speech_throughput, "BATCH_SIZE", 2)
    out = printed(
        "--workload=librispeech_conformer", "--part=input", "--count=4", "--repetitions=1"
    )
    assert re.search(r"pipeline [\d,]+ utterances/s/core, yardstick [\d,]+", out)


def test_input_of_clicks_prints_lines_beside_parsing(monkeypatch, printed):
    monkeypatch.setattr(click_throughput, "_COPIES", 1)
    monkeypatch.setattr(click_throughput, "BATCH_SIZE", 512)
    out = printed("--workload=criteo1tb", "--part=input", "--count=1024", "--repetitions=1")
    assert "327,346 lines of the sample, of 268 bytes" in out
    assert re.search(r"pipeline [\d,]+ lines/s/core, yardstick [\d,]+", out)


def test_input_of_scans_prints_slices_beside_transforming(monkeypatch, printed):
    monkeypatch.setattr(scan_throughput, "_SLICES", 2)
    monkeypatch.setattr(scan_throughput, "BATCH_SIZE", 2)
    out = printed("--workload=fastmri", "--part=input", "--count=4", "--repetitions=1")
    assert "6 volumes of 2 slices, 640 by 372" in out
    assert re.search(r"pipeline [\d,]+ slices/s/core, yardstick [\d,]+", out)


@pytest.mark.parametrize("part", ["similarity", "doubling"])
def test_parts_of_scans_give_what_the_reference_s_ways_give(part, printed):
    out = printed("--workload=fastmri", f"--part={part}", "--repetitions=1")
    assert re.search(r"plain [\d.]+ s, fast [\d.]+ s", out)
