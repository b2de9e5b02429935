"""How far a score can be trusted, computed from the records that it was computed from.

    evidence.py      each cell: hits of how many studies, median, spread, how near a miss came
    relaxation.py    the board under relaxed targets
    drawn_fields.py  studies drawn anew: intervals, who is faster, ranks
    pace.py          time against steps: both boards, seconds per step, time in evaluations
    pairs.py         two submissions compared, with the test named
    manifest.py      what a board was made from, so that it can be made again
    summary.py       all of it for one field
    tables.py        all of it as tables

Axes are named as in `algoperf_jax.scoring`; N are draws, R ranks, P degrees of relaxation.
"""
