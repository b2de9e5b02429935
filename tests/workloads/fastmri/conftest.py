"""Small volumes, prepared and opened."""

import jax
import pytest
from scan_files import SCANS, write_sets

from workloads.fastmri.prepare import prepare
from workloads.fastmri.scans import ScanData, open_scans


@pytest.fixture(autouse=True)
def _full_float32_products():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """What `scripts/prepare_data.py` makes of small volumes."""
    folder = tmp_path_factory.mktemp("scans")
    prepare(folder, write_sets(folder / "raw"), scans=SCANS, report=lambda line: None)
    return folder


@pytest.fixture(scope="session")
def data(data_dir, tmp_path_factory) -> ScanData:
    """The opened data of `data_dir`."""
    return open_scans(data_dir, tmp_path_factory.mktemp("cache"), SCANS)
