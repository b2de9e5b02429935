"""The formulas of the golden vectors against spot values that the reference's tooling wrote."""

import numpy as np
import pytest
from golden_vectors import GoldenSet, assert_array_record

ROUNDING = 1e-6


def test_constants_agree_with_those_the_spot_values_were_made_with(golden: GoldenSet):
    spots = golden.load("fills_and_inputs")
    assert (golden.wave.__name__, golden.phi, golden.q) == (
        spots["wave"],
        spots["phi"],
        spots["q"],
    )


def test_fill_a_matches_spot_values(golden: GoldenSet):
    for record in golden.load("fills_and_inputs")["fill_A"].values():
        assert_array_record(golden.fill(record["shape"]), record, ROUNDING)


def test_fill_b_matches_spot_values(golden: GoldenSet):
    for title, record in golden.load("fills_and_inputs")["fill_B"].items():
        name = title.split(" ")[0]
        assert_array_record(golden.fill(record["shape"], name), record, ROUNDING)


def test_batch_norm_statistics_match_spot_values(golden: GoldenSet):
    records = golden.load("fills_and_inputs")["batch_stats"]
    mean, variance = records["mean [64]"], records["var [64]"]
    assert_array_record(golden.fill_batch_norm_mean(64), mean, ROUNDING)
    assert_array_record(golden.fill_batch_norm_variance(64), variance, ROUNDING)


def test_graph_inputs_match_spot_values(golden: GoldenSet):
    records, inputs = golden.load("fills_and_inputs"), golden.arrays("inputs_ogbg")
    assert_array_record(inputs["nodes"], records["ogbg_nodes"], ROUNDING)
    assert_array_record(inputs["edges"], records["ogbg_edges"], ROUNDING)


def test_images_match_spot_values(golden: GoldenSet):
    spots = golden.load("fills_and_inputs")
    assert_array_record(golden.imagenet_images(), spots["imagenet_inputs"], ROUNDING)
    np.testing.assert_array_equal(golden.imagenet_targets(), spots["imagenet_targets"])


def test_trees_of_batch_norm_statistics_are_filled_by_name(golden: GoldenSet):
    filled = golden.fill_batch_stats({"norm": {"mean": np.zeros(5), "var": np.zeros(5)}})
    np.testing.assert_array_equal(filled["norm"]["mean"], golden.fill_batch_norm_mean(5))
    np.testing.assert_array_equal(filled["norm"]["var"], golden.fill_batch_norm_variance(5))


def test_scalars_are_filled_with_one_half(golden: GoldenSet):
    assert golden.fill(()) == np.float32(0.5)


def test_fill_repeats_with_its_period(golden: GoldenSet):
    values = golden.fill((40_000, 7), name="table")
    np.testing.assert_array_equal(values.ravel()[:50_000], values.ravel()[100_003:150_003])


def test_array_record_tells_a_wrong_element(golden: GoldenSet):
    record = golden.load("fills_and_inputs")["fill_A"]["[3, 5]"]
    values = golden.fill((3, 5))
    values[1, 4] += 1e-4
    with pytest.raises(AssertionError):
        assert_array_record(values, record, ROUNDING)
