"""Search spaces and the quasi-random points that external tuning draws from them.

A search space is JSON data in one of the benchmark's two formats:

    {"learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
     "dropout_rate": {"feasible_points": [0.0, 0.1]}}            ranges and choices, to draw from
    [{"learning_rate": 1e-3, "dropout_rate": 0.0}, ...]          complete points, in this order

`parse` and `load` turn it into a `SearchSpace`; `study_points` gives the points of one study.
Nothing here needs JAX.
"""

import dataclasses
import json
import keyword
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from algoperf_jax.errors import UserError

Point = dict[str, Any]

SKIPPED = 100
"""Leading values of every quasi-random sequence that are thrown away."""


@dataclasses.dataclass(frozen=True)
class Range:
    """A number between two bounds, uniform in itself or in its logarithm.

    Attributes:
      min, max: the bounds.
      scaling: `"linear"` or `"log"`.
    """

    min: float
    max: float
    scaling: Literal["linear", "log"]

    def value(self, u: float) -> float:
        """The value at `u` in [0, 1)."""
        if self.scaling == "log":
            return self.min * math.exp(u * math.log(self.max / self.min))
        return u * (self.max - self.min) + self.min


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of a few values, all equally likely.

    Attributes:
      feasible_points: the values, JSON scalars.
    """

    feasible_points: tuple[Any, ...]

    def value(self, u: float) -> Any:
        """The value at `u` in [0, 1)."""
        return self.feasible_points[math.floor(u * len(self.feasible_points))]


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """A search space in one of its two forms; the other form's field is None.

    Attributes:
      dimensions: hyperparameters to draw, by name; their order decides which sequence each gets.
      fixed: complete points, all with the same names.
    """

    dimensions: Mapping[str, Range | Choice] | None = None
    fixed: tuple[Point, ...] | None = None


def load(path: Path) -> SearchSpace:
    """The search space in a JSON file.

    Raises:
      UserError: no such file, not JSON, or not a search space; names the file and the key.
    """
    where = f"search space {path}"
    try:
        data = json.loads(path.read_text(), object_pairs_hook=lambda p: _without_twins(p, where))
    except OSError as error:
        raise UserError(f"{where}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{where}: expected a text file with JSON, found other bytes") from None
    except json.JSONDecodeError as error:
        raise UserError(
            f"{where}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        ) from None
    return parse(data, where)


def parse(data: Any, where: str = "search space") -> SearchSpace:
    """The search space that JSON data describe.

    Args:
      data: a dict of ranges and choices, or a list of complete points.
      where: what errors call it, for example with the name of its file.

    Raises:
      UserError: the data are no search space; says where, and what would be right.
    """
    if isinstance(data, Mapping):
        if not data:
            raise UserError(f"{where}: it is empty; name at least one hyperparameter")
        _check_names(data, where)
        return SearchSpace(
            dimensions={name: _dimension(entry, f"{where}, {name}") for name, entry in data.items()}
        )
    if isinstance(data, Sequence) and not isinstance(data, str):
        return SearchSpace(fixed=_fixed(data, where))
    raise UserError(
        f"{where}: expected an object of hyperparameters or a list of points, found {data!r}"
    )


def points(space: SearchSpace, count: int) -> list[Point]:
    """The first `count` points of a search space, in the order of their sequence.

    A list of fixed points gives as many as it has, if these are fewer.
    """
    if space.fixed is not None:
        return [dict(point) for point in space.fixed[:count]]
    dimensions = space.dimensions or {}
    return [
        {name: d.value(u) for (name, d), u in zip(dimensions.items(), row, strict=True)}
        for row in unit_points(len(dimensions), count)
    ]


def study_points(
    space: SearchSpace, seed: int, study: int, trials_per_study: int, studies: int
) -> list[Point]:
    """The points of one study, trial by trial.

    All points of all studies are drawn once, shuffled with the seed and dealt out in blocks. So a
    study's points do not depend on which studies and trials run, where, or in which order; and no
    two studies share a point. Points of a fixed list are not drawn: every study gets the first
    ones, in their order.

    Args:
      space: where to draw.
      seed: the experiment's seed, in [0, 2^32).
      study: its number, from 0.
      trials_per_study, studies: as the rules have them, whatever part of them is run.

    Returns:
      `trials_per_study` points; fewer where a fixed list is shorter.
    """
    import numpy as np

    if not 0 <= study < studies:
        raise UserError(f"study: {study} given, it is one of 0 to {studies - 1}")
    if space.fixed is not None:
        return points(space, trials_per_study)
    drawn = points(space, studies * trials_per_study)
    # The legacy generator: numpy promises that its streams never change.
    order = np.random.RandomState(seed).permutation(len(drawn))
    block = order[study * trials_per_study : (study + 1) * trials_per_study]
    return [drawn[i] for i in block]


def unit_points(dimensions: int, count: int) -> list[tuple[float, ...]]:
    """The first points of the benchmark's scrambled and shifted Halton sequence in [0, 1)^d."""
    columns = [van_der_corput(base, count) for base in bases(dimensions)]
    return list(zip(*columns, strict=True))


def bases(dimensions: int) -> list[int]:
    """The bases of a sequence in so many dimensions, ascending.

    They are the odd primes just before the largest one below 1000, or below 2000, 3000, ... where
    there are too few of them.
    """
    limit = 1000
    while len(primes := odd_primes_below(limit)) <= dimensions:
        limit += 1000
    return primes[-dimensions - 1 : -1]


def odd_primes_below(limit: int) -> list[int]:
    """The primes from 3 to `limit - 1`."""
    return [n for n in range(3, limit, 2) if all(n % d for d in range(3, math.isqrt(n) + 1, 2))]


def van_der_corput(
    base: int, count: int, *, skip: int = SKIPPED, scrambled: bool = True, shifted: bool = True
) -> list[float]:
    """One coordinate of a Halton sequence: the digits of i = 1, 2, ... mirrored at the point.

        x_i = (sum_j p(digit_j(i)) / base^(j + 1) + s) mod 1        digit_0 the least significant

    Args:
      base: a prime.
      count: how many values.
      skip: how many leading values to leave out.
      scrambled: whether p is a random permutation that keeps 0, seeded by the base; else identity.
      shifted: whether s is a random number from the same generator; else 0.

    Returns:
      `count` values in [0, 1).

    References:
      Bousquet et al., Critical Hyper-Parameters: No Random, No Cry, 2017
      (https://arxiv.org/abs/1706.03200).
    """
    import numpy as np

    generator = np.random.RandomState(base)
    permuted = list(range(1, base))
    if scrambled:
        generator.shuffle(permuted)
    digits = [0, *permuted]
    shift = generator.random_sample() if shifted else 0.0
    return [
        math.fmod(_mirrored(i, base, digits) + shift, 1.0)
        for i in range(skip + 1, skip + count + 1)
    ]


def _mirrored(i: int, base: int, digits: list[int]) -> float:
    total, scale = 0.0, 1
    while i:
        i, digit = divmod(i, base)
        scale *= base
        total += digits[digit] / scale
    return total


_FORMS = '{"feasible_points": [...]} or {"min": ..., "max": ..., "scaling": "log" or "linear"}'


def _dimension(entry: Any, where: str) -> Range | Choice:
    if not isinstance(entry, Mapping):
        raise UserError(f"{where}: expected {_FORMS}, found {entry!r}")
    if set(entry) == {"feasible_points"}:
        return _choice(entry["feasible_points"], f"{where}, feasible_points")
    if set(entry) == {"min", "max", "scaling"}:
        return _range(entry["min"], entry["max"], entry["scaling"], where)
    raise UserError(f"{where}: expected {_FORMS}, found the keys {', '.join(map(str, entry))}")


def _choice(values: Any, where: str) -> Choice:
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise UserError(f"{where}: expected a list such as [{values!r}], found {values!r}")
    if not values:
        raise UserError(f"{where}: the list is empty; give at least one value")
    for value in values:
        _check_scalar(value, where)
    return Choice(tuple(values))


def _range(low: Any, high: Any, scaling: Any, where: str) -> Range:
    for name, bound in (("min", low), ("max", high)):
        is_number = isinstance(bound, int | float) and not isinstance(bound, bool)
        if not is_number or not math.isfinite(bound):
            raise UserError(f"{where}, {name}: expected a finite number, found {bound!r}")
    if scaling not in ("log", "linear"):
        raise UserError(f"{where}, scaling: expected 'log' or 'linear', found {scaling!r}")
    if low > high:
        raise UserError(f"{where}: min {low} is above max {high}; exchange them")
    if scaling == "log" and low <= 0:
        raise UserError(
            f"{where}, min: {low} has no logarithm; give a number above 0 or scaling 'linear'"
        )
    return Range(low, high, scaling)


def _fixed(data: Sequence[Any], where: str) -> tuple[Point, ...]:
    if not data:
        raise UserError(f"{where}: the list is empty; give at least one point")
    for number, point in enumerate(data, 1):
        here = f"{where}, point {number}"
        if not isinstance(point, Mapping):
            raise UserError(f"{here}: expected an object of hyperparameters, found {point!r}")
        _check_names(point, here)
        if different := set(data[0]) ^ set(point):
            name = min(different)
            raise UserError(
                f"{here}: {name!r} stands in only one of this point and the first; all points of a "
                "list have the same hyperparameters"
            )
        for name, value in point.items():
            _check_scalar(value, f"{here}, {name}")
    # Every point in the first one's order: it becomes the order of the fields.
    return tuple({name: point[name] for name in data[0]} for point in data)


def _check_scalar(value: Any, where: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{where}: expected a finite number, found {value!r}")
    if value is not None and not isinstance(value, str | bool | int | float):
        raise UserError(f"{where}: expected numbers, strings or booleans, found {value!r}")


def _check_names(names: Iterable[Any], where: str) -> None:
    for name in names:
        usable = isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)
        if not usable or name.startswith("_"):
            raise UserError(
                f"{where}: {name!r} cannot name a hyperparameter; names are Python identifiers "
                "without a leading underscore"
            )


def _without_twins(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    """The JSON object of these pairs, which JSON itself would let repeat a name."""
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{where}: {name!r} stands twice in one object; keep one of them")
    return dict(pairs)
