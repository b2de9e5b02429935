"""A flax module as pure functions: modes, dropout, model state."""

import flax.linen as nn
import jax
import numpy as np
import pytest

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.nn.batch_norm import batch_norm as batch_norm_layer
from algoperf_jax.nn.dropout import Dropout
from algoperf_jax.nn.flax_functions import model_functions

RNG = np.random.default_rng(0)
BATCH = {"x": RNG.normal(3, 2, (6, 4)).astype(np.float32)}
KEY = jax.random.PRNGKey(0)


class Small(nn.Module):
    normalised: bool = True

    @nn.compact
    def __call__(self, x, *, train, dropout_rate, batch_norm):
        x = nn.Dense(5)(x)
        if self.normalised:
            x = batch_norm_layer("norm", batch_norm)(x)
        return Dropout()(x, dropout_rate, deterministic=not train)


def functions(**options):
    shares = []

    def example_batch(share):
        shares.append(share)
        return jax.tree.map(lambda x: x[None, : share.batch_size], BATCH)

    model = model_functions(Small(**options), lambda batch: batch["x"], example_batch)
    params, state = model.init(KEY)
    assert shares == [BatchShare.whole(1)]
    return model, params, state


def passed(model, params, state, mode, train=False, rate=0.0):
    rng = KEY if train else None
    return model.apply(
        params, state, BATCH, rng=rng, train=train, dropout_rate=rate, batch_norm=mode
    )


def test_running_statistics_move_in_mode_update_alone():
    model, params, state = functions()
    for mode, moves in (("update", True), ("batch", False), ("running", False)):
        _, new = passed(model, params, state, mode)
        assert jax.tree.structure(new) == jax.tree.structure(state)
        same = np.array_equal(new["batch_stats"]["norm"]["mean"], np.zeros(5))
        assert same != moves, mode


def test_statistics_of_the_batch_normalise_unless_running_ones_are_asked_for():
    model, params, state = functions()
    for mode in ("update", "batch"):
        outputs, _ = passed(model, params, state, mode)
        np.testing.assert_allclose(outputs.mean(0), np.zeros(5), atol=1e-5)
        np.testing.assert_allclose(outputs.std(0), np.ones(5), atol=1e-3)
    outputs, _ = passed(model, params, state, "running")
    assert np.abs(outputs.mean(0)).max() > 0.5


def test_prediction_is_the_pass_without_dropout_on_running_statistics():
    model, params, state = functions()
    expected, _ = passed(model, params, state, "running")
    np.testing.assert_array_equal(model.predict(params, state, BATCH), expected)
    dropped, _ = passed(model, params, state, "running", train=True, rate=0.5)
    assert (np.asarray(dropped) == 0).any()


@pytest.mark.parametrize("mode", ["update", "batch", "running"])
def test_model_without_batch_norm_has_an_empty_state_in_every_mode(mode):
    model, params, state = functions(normalised=False)
    assert state == {}
    assert passed(model, params, state, mode)[1] == {}
