"""The persistent compilation cache: off in a timed trial unless it is asked for, and then told."""

import contextlib

import jax
import jax.monitoring
import jax.numpy as jnp
import pytest
from interruptions import Interrupt, InterruptIn
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from toy_runs import run

from algoperf_jax.files import read_json
from algoperf_jax.trial.compilation_cache import compilation_cache


@contextlib.contextmanager
def set_by_the_environment(folder):
    """As if JAX had been started with these environment variables, and had compiled already."""
    values = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: getattr(jax.config, name) for name in values}
    for name, value in values.items():
        jax.config.update(name, value)
    reset_cache()
    jax.jit(lambda x: x * 3)(jnp.ones(3))
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    reset_cache()


def entries(folder):
    return {entry.name for entry in folder.iterdir()}


def test_trial_compiles_without_the_cache_of_the_environment_which_is_back_afterwards(tmp_path):
    cache = tmp_path / "cache"
    with set_by_the_environment(cache):
        before = entries(cache)
        assert before
        run(folder=tmp_path / "trial", max_steps=1)
        assert entries(cache) == before
        assert jax.config.jax_compilation_cache_dir == str(cache)
        assert jax.config.jax_enable_compilation_cache
        jax.jit(lambda x: x * 5 + 1)(jnp.ones(3))
        assert entries(cache) > before
    assert read_json(tmp_path / "trial" / "meta_data.json")["compilation_cache"] is None


def test_cache_comes_back_after_an_error(tmp_path):
    with set_by_the_environment(tmp_path / "cache"):
        with pytest.raises(KeyError), compilation_cache(None):
            raise KeyError
        assert jax.config.jax_enable_compilation_cache


@pytest.fixture
def events():
    """Names of what JAX reports, as it happens."""
    names = []

    def listen(event, **_):
        names.append(event)

    jax.monitoring.register_event_listener(listen)
    yield names
    jax.monitoring.unregister_event_listener(listen)


def test_second_start_with_a_cache_compiles_nothing_and_the_record_tells_of_it(tmp_path, events):
    cache, misses = tmp_path / "cache", []
    for attempt in ("first", "second"):
        events.clear()
        run(folder=tmp_path / attempt, max_steps=1, compilation_cache=cache)
        misses.append(events.count("/jax/compilation_cache/cache_misses"))
        meta_data = read_json(tmp_path / attempt / "meta_data.json")
        assert meta_data["compilation_cache"] == str(cache)
    assert misses[0] > 0 == misses[1]
    assert "/jax/compilation_cache/cache_hits" in events


def test_cache_of_an_earlier_start_stays_in_the_record(tmp_path):
    folder = tmp_path / "trial"
    arguments = {"folder": folder, "max_steps": 4, "eval_every_steps": 1}
    with pytest.raises(Interrupt):
        run(compilation_cache=tmp_path / "cache", **arguments, reporter=InterruptIn(step=3))
    run(**arguments)
    meta_data = read_json(folder / "meta_data.json")
    assert meta_data["compilation_cache"] == str(tmp_path / "cache")
    assert "compilation_cache" not in meta_data["configuration"]
