"""A workload of a few dozen parameters with batch norm and dropout, for tests of the kit."""

import dataclasses

import clu.metrics
import flax
import jax
import jax.numpy as jnp
import numpy as np

from algoperf_jax.nn.dropout import dropout
from algoperf_jax.rules import Limits, Target
from algoperf_jax.workload import AXES, LossTerms, LossType, Workload

FEATURES = 5
HIDDEN = 8
EXAMPLES = 96


@flax.struct.dataclass
class ToyMetrics(clu.metrics.Collection):
    loss: clu.metrics.Average.from_output("loss")
    score: clu.metrics.Average.from_output("score")


def init(rng):
    first, second = jax.random.split(rng)
    params = {
        "Dense_0": {"kernel": 0.5 * jax.random.normal(first, (FEATURES, HIDDEN))},
        "BatchNorm_0": {"scale": jnp.ones(HIDDEN), "bias": jnp.zeros(HIDDEN)},
        "Dense_1": {
            "kernel": 0.5 * jax.random.normal(second, (HIDDEN, 1)),
            "bias": jnp.zeros(1),
        },
    }
    return params, {"mean": jnp.zeros(HIDDEN), "var": jnp.ones(HIDDEN)}


def apply(params, model_state, batch, *, rng, train, dropout_rate, batch_norm, axes=None):
    h_BxH = batch["x"] @ params["Dense_0"]["kernel"]
    mean, var = model_state["mean"], model_state["var"]
    if batch_norm != "running":
        mean, square = h_BxH.mean(0), (h_BxH**2).mean(0)
        if axes:
            mean, square = jax.lax.pmean((mean, square), axes)
        var = square - mean**2
        if batch_norm == "update":
            model_state = {
                "mean": 0.9 * model_state["mean"] + 0.1 * mean,
                "var": 0.9 * model_state["var"] + 0.1 * var,
            }
    h_BxH = (h_BxH - mean) * jax.lax.rsqrt(var + 1e-5)
    h_BxH = h_BxH * params["BatchNorm_0"]["scale"] + params["BatchNorm_0"]["bias"]
    h_BxH = jnp.tanh(h_BxH)
    if train:
        h_BxH = dropout(h_BxH, dropout_rate, rng)
    out = h_BxH @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"]
    return out[:, 0], model_state


def loss(outputs, batch, *, label_smoothing=0.0):
    per_example = batch["weights"] * (outputs - (1 - label_smoothing) * batch["y"]) ** 2
    return LossTerms(per_example.sum(), batch["weights"].sum(), per_example)


def evaluate(params, model_state, batch):
    outputs, _ = apply(
        params,
        model_state,
        batch,
        rng=None,
        train=False,
        dropout_rate=0.0,
        batch_norm="running",
    )
    per_example = loss(outputs, batch).per_example
    return ToyMetrics.single_from_model_output(
        loss=per_example, score=-per_example, mask=batch["weights"]
    )


def examples(split):
    generator = np.random.default_rng(["train", "validation", "test"].index(split) + 10)
    x = generator.normal(size=(EXAMPLES, FEATURES)).astype(np.float32)
    return x, np.sin(x.sum(1)).astype(np.float32)


class TrainBatches:
    """Random examples; batch `n` depends on the seed and `n` alone."""

    def __init__(self, share, seed):
        self.x, self.y = examples("train")
        self.share, self.seed = share, seed
        self.position = 0

    def __iter__(self):
        return self

    def __next__(self):
        index = np.random.default_rng([self.seed, self.position]).integers(
            0, EXAMPLES, self.share.batch_size
        )
        self.position += 1
        index = index.reshape(self.share.replicas, -1)[list(self.share.local)]
        # Unequal, so that a mean over the entries there are is not one over those that count.
        weights = np.float32(index % 3) / 2
        return {"x": self.x[index], "y": self.y[index], "weights": weights}

    def get_state(self):
        return {"position": self.position}

    def set_state(self, state):
        self.position = state["position"]


def dataset(split, data, share, *, seed):
    if split == "train":
        return TrainBatches(share, seed)
    x, y = examples("train" if split == "eval_train" else split)
    batches = []
    for start in range(0, EXAMPLES, share.batch_size):
        part = slice(start, start + share.batch_size)
        batch = {"x": x[part], "y": y[part], "weights": np.ones(len(x[part]), np.float32)}
        batch = {
            k: np.pad(v, [(0, share.batch_size - len(v))] + [(0, 0)] * (v.ndim - 1))
            for k, v in batch.items()
        }
        batches.append(
            {
                k: v.reshape(share.replicas, -1, *v.shape[1:])[list(share.local)]
                for k, v in batch.items()
            }
        )
    return iter(batches)


def example_batch(share, *, split="train", seed=0):
    x = np.random.default_rng(seed).normal(size=(*share.shape, FEATURES)).astype(np.float32)
    return {"x": x, "y": x.sum(-1), "weights": np.ones(share.shape, np.float32)}


def toy(**changes):
    """The workload, with fields replaced."""
    workload = Workload(
        name="toy",
        base_name="toy",
        scale="mini",
        loss_type=LossType.MEAN_SQUARED_ERROR,
        target=Target("score", "max", validation=0.0, test=0.0),
        limits={"v0.5": Limits(100, 1000.0, 10.0), "v0.6": Limits(80, 900.0, 10.0)},
        batch_size=32,
        eval_batch_size=40,
        num_examples={
            "train": EXAMPLES,
            "eval_train": EXAMPLES,
            "validation": EXAMPLES,
            "test": EXAMPLES,
        },
        default_dropout_rate=0.1,
        supports_label_smoothing=True,
        output_layers=("Dense_1",),
        init=init,
        apply=apply,
        loss=loss,
        eval=evaluate,
        dataset=dataset,
        open_data=lambda data_dir, cache_dir: "the toy's data",
        example_batch=example_batch,
    )
    return dataclasses.replace(workload, **changes)


def toy_with_synchronised_batch_norm():
    """The workload with batch statistics over all replicas rather than one."""

    def synchronised(*args, **kwargs):
        return apply(*args, **kwargs, axes=AXES)

    def evaluate_synchronised(params, model_state, batch):
        return evaluate(params, model_state, batch)

    return toy(apply=synchronised, eval=evaluate_synchronised, collective_forward=True)
