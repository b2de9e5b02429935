"""Search spaces, quasi-random points and their partition into studies."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from algoperf_jax import tuning
from algoperf_jax.errors import UserError

PRINTED = 1e-11  # the golden vectors state twelve digits

# The search space and its first two points as the benchmark's protocol states them.
PAPER_SPACE = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 4e-3, "max": 0.1, "scaling": "log"},
    "beta2": {"feasible_points": [0.999]},
    "warmup_factor": {"feasible_points": [0.05]},
    "weight_decay": {"min": 5e-3, "max": 1.0, "scaling": "log"},
    "label_smoothing": {"feasible_points": [0.1, 0.2]},
    "dropout_rate": {"feasible_points": [0.0, 0.1]},
}
FIRST_POINTS = [
    (0.0019814680146414726, 0.045677535963609565, 0.999, 0.05, 0.010340635370188849, 0.1, 0.0),
    (0.0002366315233112939, 0.007676940273940445, 0.999, 0.05, 0.358796133013872, 0.2, 0.1),
]


def test_points_agree_with_the_reference_in_unshuffled_order(golden):
    vectors = golden.load("protocol")["halton"]
    for title, record in vectors["generate_search"].items():
        name, _, count = title.rpartition("_")
        found = tuning.points(tuning.parse(vectors["spaces"][name]), int(count))
        assert len(found) == record["num_returned"]
        for point, expected in zip(found, record["unshuffled"], strict=True):
            assert list(point) == list(expected)
            for key, value in expected.items():
                is_text = isinstance(value, str)
                assert point[key] == (value if is_text else pytest.approx(value, rel=PRINTED))


def test_sequences_agree_with_the_reference_with_and_without_skip_and_shift(golden):
    for record in golden.load("protocol")["halton"]["generate_sequence"]:
        columns = [
            tuning.van_der_corput(
                base, record["num_samples"], skip=record["skip"], shifted=record["per_dim_shift"]
            )
            for base in tuning.bases(record["num_dims"])
        ]
        np.testing.assert_allclose(np.transpose(columns), record["unshuffled"], rtol=PRINTED)


def test_primes_and_bases_agree_with_the_reference(golden):
    vectors = golden.load("protocol")["halton"]
    assert tuning.odd_primes_below(100) == vectors["generate_primes_100"]
    for dimensions, expected in vectors["primes_used_for_dims"].items():
        assert tuning.bases(int(dimensions)) == expected


def test_unscrambled_sequence_is_van_der_corputs(golden):
    expected = golden.load("protocol")["halton"]["van_der_corput_base_5_unscrambled"]
    found = tuning.van_der_corput(5, len(expected), skip=0, scrambled=False, shifted=False)
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_many_dimensions_take_their_bases_from_larger_primes():
    assert len(tuning.odd_primes_below(1000)) == 167
    assert tuning.bases(166)[0] == 3
    assert tuning.bases(167)[-1] == tuning.odd_primes_below(2000)[-2]


def test_the_papers_space_gives_the_points_that_the_protocol_states():
    found = tuning.points(tuning.parse(PAPER_SPACE), 2)
    for point, expected in zip(found, FIRST_POINTS, strict=True):
        assert tuple(point.values()) == pytest.approx(expected, rel=1e-14)


def test_two_dimensional_points_are_those_that_the_protocol_states():
    expected = [
        (0.2739744372653363, 0.28612427728381884),
        (0.9911667058309517, 0.8300193327833143),
        (0.23023079535282354, 0.36079632571974196),
        (0.3757038370618775, 0.47482256184486826),
        (0.47539864886248795, 0.87441892915062),
    ]
    np.testing.assert_allclose(tuning.unit_points(2, 5), expected, rtol=1e-14)


def test_studies_have_different_points_and_together_all_of_them():
    space = tuning.parse(PAPER_SPACE)
    dealt = [p for study in range(3) for p in tuning.study_points(space, 7, study, 5, 3)]
    everything = tuning.points(space, 15)
    assert sorted(map(str, dealt)) == sorted(map(str, everything))
    assert dealt != everything


def test_a_study_has_the_same_points_whenever_it_is_asked_for():
    space = tuning.parse(PAPER_SPACE)
    first = tuning.study_points(space, 7, 1, 5, 3)
    np.random.seed(1)
    np.random.random()
    assert tuning.study_points(space, 7, 1, 5, 3) == first
    assert tuning.study_points(space, 8, 1, 5, 3) != first


def test_fixed_points_are_taken_in_their_order_by_every_study():
    space = tuning.parse([{"a": 1, "b": "x"}, {"b": "y", "a": 2}, {"a": 3, "b": "z"}])
    for study in range(2):
        assert tuning.study_points(space, 0, study, 2, 2) == [
            {"a": 1, "b": "x"},
            {"a": 2, "b": "y"},
        ]
    assert len(tuning.points(space, 5)) == 3
    assert list(tuning.points(space, 2)[1]) == ["a", "b"]


def test_a_study_that_the_rules_do_not_have_is_refused():
    with pytest.raises(UserError, match="study: 3 given, it is one of 0 to 2"):
        tuning.study_points(tuning.parse(PAPER_SPACE), 0, 3, 5, 3)


def test_values_stay_within_their_bounds():
    largest = math.nextafter(1.0, 0.0)
    assert tuning.Choice((1, 2, 3)).value(largest) == 3
    assert tuning.Range(2.0, 4.0, "linear").value(0.5) == 3.0
    assert tuning.Range(1e-4, 1e-2, "log").value(0.5) == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "it is empty"),
        ([], "the list is empty"),
        ("adamw", "expected an object of hyperparameters or a list of points, found 'adamw'"),
        ({"lr": 0.1}, r"lr: expected {\"feasible_points\".*found 0.1"),
        ({"lr": {"feasible_points": 0.1}}, r"lr, feasible_points: expected a list such as \[0.1\]"),
        ({"lr": {"feasible_points": []}}, "lr, feasible_points: the list is empty"),
        ({"lr": {"feasible_points": [[1]]}}, "expected numbers, strings or booleans, found"),
        ({"lr": {"min": 0, "max": 1}}, "lr: expected .* found the keys min, max"),
        ({"lr": {"min": 0, "max": 1, "scaling": "log"}}, "lr, min: 0 has no logarithm"),
        ({"lr": {"min": 0, "max": 1, "scaling": "sqrt"}}, "scaling: expected 'log' or 'linear'"),
        ({"lr": {"min": "0", "max": 1, "scaling": "linear"}}, "lr, min: expected a finite number"),
        ({"lr": {"min": 2, "max": 1, "scaling": "linear"}}, "min 2 is above max 1"),
        ({"lr": {"min": 0, "max": math.inf, "scaling": "linear"}}, "max: expected a finite"),
        ({"weight decay": {"feasible_points": [1]}}, "'weight decay' cannot name"),
        ({"lambda": {"feasible_points": [1]}}, "'lambda' cannot name"),
        ([{"a": 1}, 2], "point 2: expected an object"),
        ([{"a": 1}, {"b": 1}], "point 2: 'a' stands in only one"),
        ([{"a": {"feasible_points": [1]}}], "point 1, a: expected numbers"),
    ],
)
def test_what_is_no_search_space_is_refused_with_what_would_be(data, message):
    with pytest.raises(UserError, match=message):
        tuning.parse(data)


def test_errors_of_a_file_name_it(tmp_path):
    path = tmp_path / "space.json"
    with pytest.raises(UserError, match=r"space\.json: No such file"):
        tuning.load(path)
    path.write_text('{"lr": ')
    with pytest.raises(UserError, match=r"space\.json, line 1, column \d+: not JSON"):
        tuning.load(path)
    path.write_text('{"lr": {"min": 1}}')
    with pytest.raises(UserError, match=r"space\.json, lr: expected"):
        tuning.load(path)
    path.write_text('{"lr": {"feasible_points": [1]}, "lr": {"feasible_points": [2]}}')
    with pytest.raises(UserError, match=r"space\.json: 'lr' stands twice"):
        tuning.load(path)


def test_a_file_gives_the_same_space_as_its_data(tmp_path):
    path = tmp_path / "space.json"
    path.write_text(json.dumps(PAPER_SPACE))
    assert tuning.load(path) == tuning.parse(PAPER_SPACE)


def test_importing_the_module_is_cheap():
    code = (
        "import sys, algoperf_jax.tuning\n"
        "print([m for m in ('jax', 'numpy', 'tensorflow') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
