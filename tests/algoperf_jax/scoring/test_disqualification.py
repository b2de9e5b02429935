"""The 4x rule and the held-out rule on fields worked out by hand."""

import numpy as np
from numpy import inf, nan

from algoperf_jax.scoring.disqualification import statuses, verdict


def judged(times: list[list[float]], parents: tuple[int, ...] = ()) -> tuple[list, list]:
    """The times that count, and the statuses."""
    times_SxW = np.array(times)
    found = verdict(times_SxW, parents, 4.0)
    return found.counted___SxB.tolist(), statuses(times_SxW, found.over___SxW, parents)


def test_exactly_four_times_the_fastest_counts_and_more_does_not() -> None:
    counted, status = judged([[10.0], [40.0], [np.nextafter(40.0, 41.0)]])
    assert counted == [[10.0], [40.0], [inf]]
    assert status == [["scored"], ["scored"], ["over_4x"]]


def test_no_data_and_a_missed_target_are_told_apart_and_both_count_as_misses() -> None:
    assert judged([[nan], [inf], [1.0]]) == (
        [[inf], [inf], [1.0]],
        [["no_data"], ["target_missed"], ["scored"]],
    )


def test_a_variant_missed_or_without_data_or_too_slow_costs_the_base_workload() -> None:
    counted, status = judged([[10.0, 5.0], [10.0, inf], [10.0, nan], [10.0, 21.0]], parents=(0,))
    assert counted == [[10.0], [inf], [inf], [inf]]
    assert [row[0] for row in status] == [
        "scored",
        "held_out_missed",
        "held_out_no_data",
        "held_out_over_4x",
    ]


def test_who_did_not_train_the_base_workload_sets_no_pace_on_its_variant() -> None:
    # The first is fastest on the variant by far, but has no time on the base workload.
    counted, status = judged([[inf, 1.0], [10.0, 5.0], [nan, 1.0]], parents=(0,))
    assert counted == [[inf], [10.0], [inf]]
    assert status == [["target_missed"], ["scored"], ["no_data"]]


def test_who_is_struck_by_the_held_out_rule_still_sets_the_pace_on_the_base_workload() -> None:
    counted, status = judged([[1.0, inf], [5.0, 5.0], [3.0, 5.0]], parents=(0,))
    assert counted == [[inf], [inf], [3.0]]
    assert status == [["held_out_missed"], ["over_4x"], ["scored"]]


def test_who_is_struck_by_the_4x_rule_on_the_base_still_sets_the_pace_on_the_variant() -> None:
    # The order of the rule book: the variant's pace is taken together with the base workload's.
    counted, _ = judged([[1.0, 9.0], [5.0, 2.0]], parents=(0,))
    assert counted == [[inf], [inf]]


def test_a_workload_that_nobody_solves_is_missed_by_all() -> None:
    counted, status = judged([[inf, 1.0], [nan, 2.0]])
    assert counted == [[inf, 1.0], [inf, 2.0]]
    assert status == [["target_missed", "scored"], ["no_data", "scored"]]


def test_leading_axes_are_fields_of_their_own() -> None:
    fields = np.array([[[10.0, 5.0], [50.0, 5.0]], [[10.0, inf], [40.0, 5.0]]])
    together = verdict(fields, (0,), 4.0)
    for field, counted, best in zip(fields, together.counted___SxB, together.best___W, strict=True):
        alone = verdict(field, (0,), 4.0)
        assert (alone.counted___SxB == counted).all()
        assert (alone.best___W == best).all()


def test_the_times_given_are_not_changed() -> None:
    times = np.array([[10.0, inf], [50.0, 5.0]])
    verdict(times, (0,), 4.0)
    assert times.tolist() == [[10.0, inf], [50.0, 5.0]]
