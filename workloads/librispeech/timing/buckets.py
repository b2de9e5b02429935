"""How long an evaluation takes with batches as short as their utterances, beside full ones."""

import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

import workloads
from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import UserError
from workloads.librispeech import MINI_CONFIGS, MINI_SIZES, with_model


class Comparison:
    """The validation split of the sample and an untrained model.

    Attributes:
      description: the numbers of frames.
      tolerance: of losses, and of what is understood.
    """

    tolerance = 1e-5

    def __init__(self, workload: str, scale: str):
        """Opens the sample.

        Raises:
          UserError: the scale is not mini, which needs data that may not be here.
        """
        if scale != "mini":
            raise UserError("buckets are measured at scale mini, on the embedded sample")
        self._mini = workloads.get(workload, "mini")
        shapes = MINI_SIZES.shapes._replace(evaluation_frames=())
        full = with_model(
            workload, "mini", MINI_CONFIGS[workload], MINI_SIZES._replace(shapes=shapes)
        )
        self._full = full
        with tempfile.TemporaryDirectory() as folder:
            data = self._mini.open_data(None, Path(folder))
            self._batches = {id(w): list(_batches(w, data)) for w in (self._mini, full)}
        self._variables = jax.jit(self._mini.init)(jax.random.key(0))
        widths = [batch["audio"].shape[1] for batch in self._batches[id(self._mini)]]
        self.description = f"{workload} at scale mini, batches of {widths} samples"

    def plain(self) -> "Evaluation":
        """All batches at full length."""
        return Evaluation(self._full, self._variables, self._batches[id(self._full)])

    def fast(self) -> "Evaluation":
        """Batches as short as their utterances allow."""
        return Evaluation(self._mini, self._variables, self._batches[id(self._mini)])


class Evaluation:
    """All batches of a split through a compiled evaluation, once per shape."""

    def __init__(self, workload: Any, variables: Any, batches: list[Any]):
        """Compiles at the first call."""
        self._evaluate, self._variables = jax.jit(workload.eval), variables
        self._batches = jax.device_put(batches)

    def __call__(self) -> Any:
        """Returns the sum of all losses and the labels understood."""
        found = [self._evaluate(*self._variables, batch) for batch in self._batches]
        merged = jax.block_until_ready(found)
        hypotheses = [np.asarray(m.transcripts.values["hypotheses"][0]) for m in merged]
        return sum(float(m.loss.above) for m in merged), np.concatenate(hypotheses)


def _batches(workload: Any, data: Any) -> Any:
    share = BatchShare.whole(workload.eval_batch_size)
    for batch in workload.dataset("validation", data, share, seed=0):
        yield jax.tree.map(lambda x: x[0], batch)
