"""The checks of a workload's contract: one that keeps to it, and what each check notices."""

import dataclasses

import jax
import numpy as np
import pytest
import toy_workload
from toy_workload import EXAMPLES, toy, toy_with_synchronised_batch_norm

from algoperf_jax.check.comparison import Violation
from algoperf_jax.check.workload import check_workload, checks

DATA = "the toy's data"


@pytest.mark.parametrize("make", [toy, toy_with_synchronised_batch_norm])
def test_nothing_is_found_where_nothing_is_wrong(make):
    found = check_workload(make(), DATA)
    assert found == dict.fromkeys(checks(with_data=True))


def test_without_data_what_reads_data_is_left_out():
    names = check_workload(toy()).keys()
    assert "counts" not in names
    assert "loss" in names


def fails(check, message, **changes):
    with pytest.raises(Violation, match=message):
        checks(with_data=True)[check](toy(**changes), DATA)


def test_ignored_dropout_rate_is_noticed():
    def without(*args, dropout_rate, **options):
        return toy_workload.apply(*args, dropout_rate=0.0, **options)

    fails("dropout", "dropout_rate has no effect", apply=without)


def test_rate_zero_that_is_not_none_is_noticed():
    def always(*args, dropout_rate, **options):
        rate = dropout_rate if isinstance(dropout_rate, float) else dropout_rate + 0.1
        return toy_workload.apply(*args, dropout_rate=rate, **options)

    fails("dropout", "outputs at dropout rate 0, traced and not: differs", apply=always)


def test_label_smoothing_has_to_be_as_stated():
    def ignoring(outputs, batch, *, label_smoothing=0.0):
        return toy_workload.loss(outputs, batch)

    fails("loss", "is True and the loss does not heed it", loss=ignoring)
    fails("loss", "is False and the loss heeds it", supports_label_smoothing=False)


def test_loss_that_counts_padding_is_noticed():
    def unweighted(outputs, batch, *, label_smoothing=0.0):
        return toy_workload.loss(outputs, {**batch, "weights": np.ones(outputs.shape, np.float32)})

    fails("loss", "with all weights 0 summed is", loss=unweighted)


def test_loss_that_does_not_add_up_is_noticed():
    def halved(outputs, batch, *, label_smoothing=0.0):
        terms = toy_workload.loss(outputs, batch)
        return terms._replace(summed=terms.summed / 2)

    fails("loss", "per_example adds up to summed: differs", loss=halved)


def test_dropout_that_depends_on_the_device_is_noticed():
    def own_key(*args, rng, **options):
        rng = jax.random.fold_in(rng, jax.lax.axis_index("replica"))
        return toy_workload.apply(*args, rng=rng, **options)

    fails(
        "devices",
        "gradient on 2 devices and one, statistics of each replica: differs",
        apply=own_key,
    )


def test_metrics_that_count_padding_are_noticed():
    def unmasked(params, model_state, batch):
        everything = {**batch, "weights": np.ones(batch["weights"].shape, np.float32)}
        return toy_workload.evaluate(params, model_state, everything)

    fails("evaluation", "in smaller batches: differs", eval=unmasked)


def test_wrong_number_of_examples_is_noticed():
    counts = {**toy().num_examples, "test": EXAMPLES + 1}
    fails("counts", f"test has {EXAMPLES} examples, num_examples says 97", num_examples=counts)


def test_share_that_is_not_heeded_is_noticed():
    def everything(split, data, share, *, seed):
        whole = dataclasses.replace(share, local=range(share.replicas))
        return toy_workload.dataset(split, data, whole, seed=seed)

    with pytest.raises((Violation, ValueError)):
        checks(with_data=True)["batches"](toy(dataset=everything), DATA)


def test_example_batch_of_other_types_is_noticed():
    def doubled(share, *, split="train", seed=0):
        return {k: np.float64(v) for k, v in toy_workload.example_batch(share).items()}

    fails("batches", r"example_batch of 'train' at \['.*'\]: float64", example_batch=doubled)


def test_position_that_is_not_restored_is_noticed():
    class Forgetful(toy_workload.TrainBatches):
        def set_state(self, state):
            pass

    def forgetful(split, data, share, *, seed):
        return Forgetful(share, seed)

    fails("order", "training batches behind a restored position differ", dataset=forgetful)


def test_seed_without_effect_is_noticed():
    def same(split, data, share, *, seed):
        return toy_workload.dataset(split, data, share, seed=0)

    fails("order", "the seed has no effect", dataset=same)


def test_folder_without_data_has_to_be_an_error():
    fails("missing_data", "accepts a folder without data", scale="full")


def test_layer_that_does_not_exist_is_noticed():
    fails("shapes", "output_layers: params have no 'Dense_9'", output_layers=("Dense_9",))
