"""Golden vectors: what the reference implementation computes for parameters given by formulas.

`tests/golden/README.md` describes the files and formulas. A `GoldenSet` reads one folder of them;
everything that distinguishes one set from another (wave, phase, offset) comes from its `set.json`.
"""

import dataclasses
import itertools
import json
import math
import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

PERIOD = 100_003
TABLE_ROWS = 16_384  # 2-d tensors with as many rows are lookup tables

WAVES = {"sin": np.sin, "cos": np.cos}


def cases(names: Iterable[str], by_default: Collection[tuple[str, str]]) -> list[Any]:
    """Every variant with both fills, as parameters of a test or a fixture.

    Args:
      names: the variants.
      by_default: pairs of a variant and a fill that always run; the others are marked as slow.
    """
    return [
        pytest.param(
            pair, marks=[] if pair in by_default else [pytest.mark.slow], id="-".join(pair)
        )
        for pair in itertools.product(names, ("fill_A", "fill_B"))
    ]


@dataclasses.dataclass(frozen=True)
class GoldenSet:
    """One folder of golden vectors.

    Attributes:
      directory: the folder.
      wave: the function S of the fill rule, float64 to float64.
      phi: phase in the formulas of the inputs.
      q: integer offset in the formulas of labels and ids.
    """

    directory: Path
    wave: Callable[[np.ndarray], np.ndarray]
    phi: float
    q: int

    @classmethod
    def open(cls, directory: Path) -> "GoldenSet":
        """Reads `set.json` of the folder."""
        constants = json.loads((directory / "set.json").read_text())
        return cls(directory, WAVES[constants["wave"]], constants["phi"], constants["q"])

    def load(self, name: str) -> dict[str, Any]:
        """The content of `<name>.json`."""
        return json.loads((self.directory / f"{name}.json").read_text())

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of `<name>.npz`."""
        with np.load(self.directory / f"{name}.npz") as archive:
            return dict(archive)

    def fill(self, shape: Sequence[int], name: str | None = None) -> np.ndarray:
        """A parameter tensor by the fill rule: fill_A, or fill_B if its name is given.

        Args:
          shape: the shape in the reference's layout.
          name: the reference's path of the parameter, joined by "/".

        Returns:
          float32 of that shape.
        """
        n = math.prod(shape)
        if len(shape) == 0:
            return np.float32(0.5)
        offset = 0 if name is None else zlib.crc32(name.encode()) % PERIOD
        i = np.arange(min(n, PERIOD), dtype=np.int64) + offset
        k = i % PERIOD * (i % PERIOD) % PERIOD
        wave = self.wave(0.7 * k + 0.3 * (n % PERIOD))
        values = 0.5 + 0.25 * wave if len(shape) == 1 else _amplitude(shape) * wave
        return np.resize(values.astype(np.float32), shape)

    def fill_batch_norm_mean(self, size: int) -> np.ndarray:
        """Running means of a batch norm, float32 `[size]`."""
        return (0.1 * self.wave(0.7 * np.arange(size))).astype(np.float32)

    def fill_batch_norm_variance(self, size: int) -> np.ndarray:
        """Running variances of a batch norm, float32 `[size]`."""
        return (1 + 0.5 * self.wave(0.7 * np.arange(size)) ** 2).astype(np.float32)

    def fill_tree(self, params: Any, fill: str) -> Any:
        """Fills every leaf of a tree that has the reference's names and layouts.

        Args:
          params: tree of arrays or of `jax.ShapeDtypeStruct`.
          fill: "fill_A" or "fill_B".
        """
        if fill not in ("fill_A", "fill_B"):
            raise ValueError(f"There are fill_A and fill_B, got {fill!r}.")
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: self.fill(leaf.shape, _name(path) if fill == "fill_B" else None),
            params,
        )

    def fill_batch_stats(self, batch_stats: Any) -> Any:
        """Fills a tree of running averages, whose leaves are named "mean" and "var"."""
        fills = {"mean": self.fill_batch_norm_mean, "var": self.fill_batch_norm_variance}
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: fills[_name(path[-1:])](leaf.size), batch_stats
        )

    def texture(self, shape: Sequence[int], offset: int = 0) -> np.ndarray:
        """Rough values in [-1, 1] that the inputs are made of, float64 of that shape."""
        i = (np.arange(math.prod(shape), dtype=np.int64) + offset) % PERIOD
        return np.sin(0.7 * (i * i % PERIOD) + self.phi).reshape(shape)

    def imagenet_images(self) -> np.ndarray:
        """Four normalised images, float32 `[4, 224, 224, 3]`."""
        b, h, w, c = np.ogrid[:4, :224, :224, :3]
        tint = 0.7 * np.cos(1.3 * b + 0.9 * c + self.phi)
        rows = np.sin((0.05 + 0.03 * b) * (c + 1) * h + self.phi)
        columns = np.cos((0.09 + 0.05 * b) * w - 0.3 * c)
        waves = (0.4 + 0.4 * b) * rows * columns
        return (tint + waves + 0.4 * self.texture((4, 224, 224, 3))).astype(np.float32)

    def imagenet_targets(self) -> np.ndarray:
        """The classes of the four images, int32 `[4]`."""
        return ((37 * np.arange(4) + 11 + 101 * self.q) % 1000).astype(np.int32)


def _amplitude(shape: Sequence[int]) -> float:
    if len(shape) == 2 and shape[0] >= TABLE_ROWS:
        return 0.5
    is_per_head_projection = len(shape) == 3 and shape[0] >= 128
    fan = shape[0] if is_per_head_projection else math.prod(shape) / shape[-1]
    return math.sqrt(2 / max(fan, 1))


def _name(path: jax.tree_util.KeyPath) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def by_name(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by their paths, joined by "/"."""
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def assert_array_record(actual: Any, record: dict[str, Any], rtol_of_rms: float) -> None:
    """Checks an array against a record of it.

    Args:
      actual: the array, any real dtype.
      record: `shape`, `first8` and `strided16` (16 flat indices spread evenly over the array),
        `sum` and `mean_sq`.
      rtol_of_rms: the largest deviation of an element, and of the mean, in units of the root mean
        square.
    """
    actual = np.asarray(actual, np.float64)
    assert list(actual.shape) == record["shape"]
    flat, n = actual.ravel(), actual.size
    rms = math.sqrt(record["mean_sq"])
    atol = rtol_of_rms * rms
    np.testing.assert_allclose(flat[:8], record["first8"], rtol=0, atol=atol)
    strided = flat[np.arange(16) * (n - 1) // 15]
    np.testing.assert_allclose(strided, record["strided16"], rtol=0, atol=atol)
    np.testing.assert_allclose(flat.sum(), record["sum"], rtol=1e-8, atol=n * atol)
    np.testing.assert_allclose(np.mean(flat**2), record["mean_sq"], rtol=2 * rtol_of_rms)


def assert_loss(terms: Any, record: dict[str, Any], rtol: float = 1e-5) -> None:
    """Checks a `LossTerms` against `summed`, `n_valid_examples` and the per-example values."""
    np.testing.assert_allclose(terms.summed, record["summed"], rtol=rtol)
    np.testing.assert_allclose(terms.n_valid, record["n_valid_examples"], rtol=1e-7)
    if "per_example" in record:
        found = np.ravel(terms.per_example)
        np.testing.assert_allclose(found, record["per_example"], rtol=rtol, atol=rtol)
    elif "per_example_stats" in record:  # some records have the sum alone
        assert_array_record(terms.per_example, record["per_example_stats"], rtol)


def assert_gradient_norms(
    grads: Any,
    record: dict[str, Any],
    *,
    rtol_global: float = 1e-4,
    rtol_tensor: float = 1e-3,
    atol_of_global: float = 1e-7,
) -> None:
    """Checks the norm of a gradient tree, and that of each tensor by name.

    Args:
      grads: tree with the reference's names.
      record: `global_l2` and `per_tensor`, rows of shape, name and L2 norm.
      rtol_global: relative tolerance of the global norm.
      rtol_tensor: relative tolerance of the tensors' norms.
      atol_of_global: absolute tolerance of the tensors' norms in units of the global norm; for
        tensors whose exact gradient is 0.
    """
    norms = {name: np.linalg.norm(np.asarray(g, np.float64)) for name, g in by_name(grads).items()}
    expected = {name: norm for _, name, norm in record["per_tensor"]}
    total = math.sqrt(sum(norm**2 for norm in norms.values()))
    np.testing.assert_allclose(total, record["global_l2"], rtol=rtol_global)
    assert norms.keys() == expected.keys()
    names = sorted(expected)
    np.testing.assert_allclose(
        [norms[name] for name in names],
        [expected[name] for name in names],
        rtol=rtol_tensor,
        atol=atol_of_global * record["global_l2"],
        err_msg=f"gradient norms of {names}",
    )


def assert_state_sums(state: Any, record: dict[str, Any], rtol: float = 2e-6) -> None:
    """Checks the sum of every tensor of a model state.

    Args:
      state: tree with the reference's names.
      record: `per_tensor`, rows of name, number of elements and sum.
      rtol: tolerance in units of the sum of the absolute values.
    """
    tensors = {name: np.asarray(x, np.float64) for name, x in by_name(state).items()}
    expected = {name: (size, total) for name, size, total in record["per_tensor"]}
    assert tensors.keys() == expected.keys()
    for name, (size, total) in expected.items():
        assert tensors[name].size == size, name
        atol = rtol * np.abs(tensors[name]).sum()
        np.testing.assert_allclose(tensors[name].sum(), total, rtol=0, atol=atol, err_msg=name)


def assert_param_table(params: Any, kinds: Any, golden: dict[str, Any]) -> None:
    """Checks number, names, shapes and kinds of parameters.

    Args:
      params: tree of arrays with the reference's names.
      kinds: tree of the same structure, leaves are enum members named like the reference's types.
      golden: a workload's vectors, with `params`, `param_count` and `num_tensors`.
    """
    actual_kinds = by_name(kinds)
    actual = {
        name: (list(leaf.shape), actual_kinds[name].name) for name, leaf in by_name(params).items()
    }
    assert actual == {name: (shape, kind) for name, shape, kind, *_ in golden["params"]}
    assert len(actual) == golden["num_tensors"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == golden["param_count"]


def assert_initial_values(params: Any, golden: dict[str, Any], standard_errors: float = 6) -> None:
    """Checks that initial values have the distributions of the reference's, which are random too.

    Constants must be equal. Means and standard deviations may differ by so many standard errors of
    a difference of two samples. Extremes may differ by half a standard deviation of the values
    where the distribution has bounds, and by three where it is normal: those of a normal sample
    scatter widely.

    Args:
      params: tree of arrays with the reference's names; of a part of the reference's parameters.
      golden: a workload's vectors, with `params`.
      standard_errors: see above.
    """
    rows = {name: statistics for name, _, _, *statistics in golden["params"]}
    for name, x in by_name(params).items():
        mean, std, smallest, largest = rows[name]
        leaf = np.asarray(x, np.float64)
        if std == 0:
            np.testing.assert_array_equal(leaf, np.full_like(leaf, mean), err_msg=name)
            continue
        error_of_mean = std * math.sqrt(2 / leaf.size)
        assert abs(leaf.mean() - mean) <= standard_errors * error_of_mean, name
        relative_error_of_std = math.sqrt(1 / leaf.size)
        assert abs(leaf.std() / std - 1) <= standard_errors * relative_error_of_std, name
        # Uniform ones end at 1.7 standard deviations, normal ones cut at two sigma at 2.3.
        is_bounded = max(largest - mean, mean - smallest) < 2.4 * std
        scatter = (0.5 if is_bounded else 3) * std
        assert abs(leaf.min() - smallest) <= scatter, name
        assert abs(leaf.max() - largest) <= scatter, name
