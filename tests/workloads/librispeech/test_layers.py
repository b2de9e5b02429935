"""The shared layers: norms, frames and subsampling, against NumPy and the specification."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.workload import AXES, AXIS, LANE
from workloads.librispeech.layers import LayerNorm, MaskedBatchNorm, Subsampling, frames_of

RANDOM = np.random.RandomState(0)
X = RANDOM.standard_normal((4, 6, 3)).astype(np.float32)
LENGTHS = np.array([6, 2, 0, 4])
PARAMS = {"scale": np.array([0.5, -0.2, 0.0]), "bias": np.array([0.1, 0.0, -0.3])}
STATE = {"mean": np.array([0.2, 0.0, -0.1]), "var": np.array([1.5, 1.0, 0.7])}


def _variables():
    as_float32 = functools.partial(jax.tree.map, jnp.float32)
    return {"params": as_float32(PARAMS), "batch_stats": as_float32(STATE)}


def _normalised(x, lengths, mode, axes=()):
    frames = frames_of(jnp.asarray(lengths), x.shape[1], axes, mode)
    return MaskedBatchNorm(axes).apply(_variables(), x, frames, mode, mutable=["batch_stats"])


def _statistics(x, lengths):
    real = np.concatenate([row[:n] for row, n in zip(x, lengths, strict=True)]).astype(np.float64)
    return real.mean(axis=0), real.var(axis=0)


def _expected(x, lengths, mean, variance):
    y = (x - mean) * (1 + PARAMS["scale"]) / np.sqrt(variance + 1e-3) + PARAMS["bias"]
    return np.where(np.arange(x.shape[1])[:, None] < lengths[:, None, None], y, 0)


@pytest.mark.parametrize("mode", ["update", "batch"])
def test_batch_norm_takes_the_statistics_of_real_frames(mode):
    found, written = _normalised(X, LENGTHS, mode)
    mean, variance = _statistics(X, LENGTHS)
    np.testing.assert_allclose(found, _expected(X, LENGTHS, mean, variance), rtol=0, atol=2e-6)
    for name, value in (("mean", mean), ("var", variance)):
        moved = 0.999 * STATE[name] + 0.001 * value
        np.testing.assert_allclose(written["batch_stats"][name], moved, rtol=1e-6)


def test_batch_norm_with_running_statistics_changes_nothing():
    found, written = _normalised(X, LENGTHS, "running")
    expected = _expected(X, LENGTHS, STATE["mean"], STATE["var"])
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    for name, value in STATE.items():
        np.testing.assert_array_equal(written["batch_stats"][name], np.float32(value))


def test_batch_norm_of_no_real_frame_is_zero():
    found, _ = _normalised(X, np.zeros(4, int), "batch")
    np.testing.assert_array_equal(found, np.zeros_like(X))


def test_global_statistics_are_those_of_all_replicas():
    def replica(x, lengths):
        return _normalised(x, lengths, "update", AXES)

    mapped = jax.vmap(jax.vmap(replica, axis_name=LANE), axis_name=AXIS)
    found, written = mapped(X.reshape(2, 2, 1, 6, 3), LENGTHS.reshape(2, 2, 1))
    whole, written_whole = _normalised(X, LENGTHS, "update")
    np.testing.assert_allclose(found.reshape(X.shape), whole, rtol=0, atol=2e-6)
    for name, value in written_whole["batch_stats"].items():
        for of_replica in written["batch_stats"][name].reshape(-1, 3):
            np.testing.assert_allclose(of_replica, value, rtol=1e-6)


def test_batch_norm_refuses_another_mode():
    with pytest.raises(UserError, match="unknown batch-norm mode 'eval'"):
        _normalised(X, LENGTHS, "eval")


def test_layer_norm_multiplies_with_one_more_than_its_scale():
    found = LayerNorm().apply({"params": _variables()["params"]}, X)
    x = X.astype(np.float64)
    centred = x - x.mean(axis=-1, keepdims=True)
    expected = centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-6)
    expected = expected * (1 + PARAMS["scale"]) + PARAMS["bias"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-6)


def test_subsampling_keeps_every_fourth_frame_rounded_up():
    layer = Subsampling(channels=2, features=4)
    features = RANDOM.standard_normal((5, 27, 80)).astype(np.float32)
    lengths = np.array([27, 26, 25, 1, 0])
    variables = layer.init(jax.random.key(0), features, lengths)
    found, kept = layer.apply(variables, features, lengths)
    assert found.shape == (5, 7, 4)
    assert kept.tolist() == [7, 7, 7, 1, 0]


def test_subsampling_lets_nothing_pass_from_far_behind_the_end():
    layer = Subsampling(channels=2, features=4)
    features = RANDOM.standard_normal((1, 27, 80)).astype(np.float32)
    lengths = np.array([13])
    variables = layer.init(jax.random.key(0), features, lengths)
    changed = features.copy()
    changed[:, 14:] += 1  # the first frame behind the end is seen by the last real one
    before, kept = layer.apply(variables, features, lengths)
    after, _ = layer.apply(variables, changed, lengths)
    np.testing.assert_array_equal(before[0, : kept[0]], after[0, : kept[0]])
