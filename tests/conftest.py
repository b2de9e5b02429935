"""Options and fixtures that all tests share; eight emulated devices, quick compilation."""

import os
from importlib.metadata import version
from pathlib import Path

# Nearly all programs of tests run once or a few times, so that compiling them is what takes time.
# Without optimisations and without MLIR for fusions, WMT's beam searches take 26 s of processor
# time, not 85 s, and ImageNet's training passes 40 s, not 54 s. Processes that tests start inherit
# this. Flags of the environment come later and win: for programs
# as in a trial, run tests with XLA_FLAGS="--xla_backend_optimization_level=3".
# Before JAX is imported: how many devices there are is decided once per process.
os.environ["XLA_FLAGS"] = " ".join(
    [
        "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1",
        # Of this version; others end at flags that they do not know.
        "--xla_cpu_use_fusion_emitters=false" if version("jaxlib").startswith("0.10.") else "",
        os.environ.get("XLA_FLAGS", ""),
        "--xla_force_host_platform_device_count=8",
    ]
)

import pytest
from golden_vectors import GoldenSet


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--golden-dir`."""
    parser.addoption(
        "--golden-dir",
        type=Path,
        default=Path(__file__).parent / "golden",
        help="folder of golden vectors to test against (default: %(default)s)",
    )


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest) -> GoldenSet:
    """The golden vectors of `--golden-dir`."""
    return GoldenSet.open(request.config.getoption("--golden-dir"))
