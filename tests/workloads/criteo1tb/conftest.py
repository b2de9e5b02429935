"""Small click logs, prepared and opened."""

import jax
import pytest
from click_logs import LOGS, write_shards

from workloads.criteo1tb.dataset import ClickData, open_data
from workloads.criteo1tb.prepare import prepare


@pytest.fixture(autouse=True)
def _full_float32_products():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """What `scripts/prepare_data.py` makes of small shards of text."""
    folder = tmp_path_factory.mktemp("click_logs")
    prepare(folder, write_shards(folder / "raw"), logs=LOGS, report=lambda line: None)
    return folder


@pytest.fixture(scope="session")
def data(data_dir, tmp_path_factory) -> ClickData:
    """The opened data of `data_dir`."""
    return open_data(data_dir, tmp_path_factory.mktemp("cache"), logs=LOGS)
