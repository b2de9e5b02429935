"""Options and fixtures that all tests share; eight emulated devices."""

import os
from pathlib import Path

# Before JAX is imported: how many devices there are is decided once per process.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
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
