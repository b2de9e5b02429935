"""The same eight replicas on one, two and eight devices, and against one plain computation."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toy_workload import apply, loss, toy, toy_with_synchronised_batch_norm

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import UserError
from algoperf_jax.submission import Submission
from algoperf_jax.trial import replicas
from algoperf_jax.trial.programs import Programs
from algoperf_jax.trial.replicas import MOST_UNROLLED, Lanes, Replicas, replicas_on
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.setup import set_up

ADAM = Submission(optimizer=lambda hp, problem: optax.adam(1e-2), name="adam")


def trained(workload, devices, tmp_path, steps=10, submission=ADAM):
    """State and last loss after some steps of eight replicas on that many devices."""
    trial = set_up(workload, submission, Settings(replicas=8), tmp_path)
    layout = Replicas(8, tuple(jax.devices()[:devices]))
    trial = dataclasses.replace(trial, layout=layout)
    programs, stream = Programs(trial), trial.training_batches()
    state = layout.put_state(trial.initial_state())
    for _ in range(steps):
        state, logs = programs.step(None)(state, next(stream), programs.inputs(0.0))
    return layout.fetch_state(state), layout.fetch_scalars(logs)["loss"]


@pytest.mark.parametrize("workload", [toy, toy_with_synchronised_batch_norm])
@pytest.mark.parametrize("devices", [1, 2])
def test_number_of_devices_does_not_matter(workload, devices, tmp_path):
    # Dropout and batch norm are on; only the order of sums differs.
    state, last_loss = trained(workload(), devices, tmp_path)
    expected, expected_loss = trained(workload(), 8, tmp_path)
    assert last_loss == pytest.approx(expected_loss, rel=1e-6)
    for found, wanted in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_synchronised_batch_norm_equals_one_replica_with_the_whole_batch(tmp_path):
    workload = toy_with_synchronised_batch_norm()
    workload = dataclasses.replace(workload, default_dropout_rate=0.0)
    state, _ = trained(workload, 2, tmp_path, steps=5)
    trial = set_up(workload, ADAM, Settings(replicas=8), tmp_path)
    params, model_state, opt_state = trial.initial_state()[1:]
    share = BatchShare.whole(32, 8)
    stream = trial.workload.dataset("train", trial.data, share, seed=trial.data_seed)
    for _ in range(5):
        batch = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), next(stream))

        def mean_loss(params, batch=batch, model_state=model_state):
            outputs, new = apply(
                params,
                model_state,
                batch,
                rng=None,
                train=False,
                dropout_rate=0.0,
                batch_norm="update",
            )
            terms = loss(outputs, batch)
            return terms.summed / terms.n_valid, new

        grads, model_state = jax.grad(mean_loss, has_aux=True)(params)
        updates, opt_state = trial.optimizer.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
    for found, wanted in zip(
        jax.tree.leaves((state.params, state.model_state)),
        jax.tree.leaves((params, model_state)),
        strict=True,
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_running_statistics_are_the_mean_over_replicas(tmp_path):
    trial = set_up(toy(), ADAM, Settings(replicas=8), tmp_path)
    state, _ = trained(toy(), 8, tmp_path, steps=1)
    params, model_state, _ = trial.initial_state()[1:]
    share = BatchShare.whole(32, 8)
    batches = next(trial.workload.dataset("train", trial.data, share, seed=trial.data_seed))
    means = [
        apply(
            params,
            model_state,
            {k: v[i] for k, v in batches.items()},
            rng=None,
            train=False,
            dropout_rate=0.0,
            batch_norm="update",
        )[1]["mean"]
        for i in range(8)
    ]
    np.testing.assert_allclose(state.model_state["mean"], np.mean(means, 0), rtol=1e-5, atol=1e-7)


def convolution(batch):
    """A sum of products in windows, whose `while` could only come from a loop over lanes."""
    return jnp.convolve(batch["x"], jnp.arange(3.0), mode="same")


WALKS = {
    "sum_over_replicas": lambda batches, lanes: replicas.sum_over_replicas(
        lambda batch, key: ({"y": convolution(batch)}, None),
        batches,
        jax.random.PRNGKey(0),
        lanes,
    )[0],
    "each_replica": lambda batches, lanes: replicas.each_replica(convolution, batches, lanes),
}


def walked(walk, order):
    """The compiled program of four lanes on one device, and what it computes."""
    layout = Replicas(4, tuple(jax.devices()[:1]))
    batches = layout.put_batch({"x": np.linspace(0.0, 1.0, 24, dtype=np.float32).reshape(4, 6)})
    program = layout.map(lambda batches: WALKS[walk](batches, Lanes(4, order)))
    return program.lower(batches).compile().as_text(), program(batches)


@pytest.mark.parametrize("walk", WALKS)
def test_unrolled_lanes_compute_what_the_loop_computes_without_a_loop(walk):
    # XLA runs convolutions inside a loop many times slower on CPUs.
    unrolled, found = walked(walk, "unrolled")
    loop, expected = walked(walk, "loop")
    assert " while(" in loop
    assert " while(" not in unrolled
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), found, expected)


def test_training_step_is_the_same_in_a_loop_as_unrolled(tmp_path, monkeypatch):
    unrolled, _ = trained(toy(), 1, tmp_path)
    monkeypatch.setattr(Replicas, "lanes_of", lambda self, collective: Lanes(self.lanes, "loop"))
    loop, _ = trained(toy(), 1, tmp_path)
    for x, y in zip(jax.tree.leaves(unrolled), jax.tree.leaves(loop), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


@dataclasses.dataclass(frozen=True)
class Device:
    """A device of another platform, as far as a layout looks at it."""

    platform: str


@pytest.mark.parametrize(
    ("platform", "count", "collective_forward", "order"),
    [
        ("cpu", 8, False, "unrolled"),
        ("cpu", 8, True, "side by side"),
        ("cpu", MOST_UNROLLED + 1, False, "loop"),
        ("gpu", 8, False, "loop"),
        ("gpu", 8, True, "side by side"),
        ("gpu", 1, False, "unrolled"),
    ],
)
def test_platform_decides_how_lanes_are_walked(platform, count, collective_forward, order):
    layout = Replicas(count, (Device(platform),))
    assert layout.lanes_of(collective_forward) == Lanes(count, order)


@pytest.mark.parametrize(
    ("count", "devices", "used"), [(8, 8, 8), (8, 3, 2), (6, 4, 3), (2, 8, 2), (7, 2, 1)]
)
def test_as_many_devices_are_used_as_divide_the_replicas(count, devices, used):
    layout = replicas_on(jax.devices()[:devices], count)
    assert len(layout.devices) == used
    assert layout.lanes * used == count


def test_no_replicas_is_an_error():
    with pytest.raises(UserError, match="at least 1"):
        replicas_on(count=0)


def test_processes_feed_disjoint_replicas_that_cover_all():
    parts = [Replicas(8, tuple(jax.devices()[:2]), i, 2).local for i in range(2)]
    assert [list(p) for p in parts] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_fetch_state_owns_its_memory():
    layout = Replicas(2, tuple(jax.devices()[:2]))
    stacked = layout.put_state({"x": jnp.arange(3.0)})
    fetched = layout.fetch_state(stacked)["x"]
    assert fetched.flags.owndata
    np.testing.assert_array_equal(fetched, [0, 1, 2])


def test_fetch_each_returns_the_replicas_in_order():
    layout = Replicas(4, tuple(jax.devices()[:2]))
    batch = layout.put_batch({"x": np.arange(12).reshape(4, 3)})
    parts = [part["x"].tolist() for part in layout.fetch_each(batch)]
    assert parts == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


@pytest.mark.parametrize(("precision", "products"), [("float32", "HIGHEST"), ("default", None)])
def test_matrix_products_have_the_precision_of_the_rules(precision, products):
    layout = replicas_on(jax.devices()[:1], matmul_precision=precision)
    program = layout.map(lambda x: jax.grad(lambda x: (x @ x).sum())(x))
    text = str(jax.make_jaxpr(program)(jnp.ones((1, 3, 3))))
    assert text.count("dot_general") >= 2
    assert text.count("HIGHEST") == (2 * text.count("dot_general") if products else 0)


def test_share_of_a_process_is_its_replicas_part():
    layout = Replicas(8, tuple(jax.devices()[:2]), process_index=1, process_count=2)
    assert layout.share(32) == BatchShare(32, 8, range(4, 8))
