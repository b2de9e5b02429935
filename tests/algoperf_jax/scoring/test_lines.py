"""Colours and dashes."""

import re
from pathlib import Path

import pytest

from algoperf_jax.scoring import page
from algoperf_jax.scoring.lines import COLOURS, NIGHT, PAPER, line_style

CSS = (Path(page.__file__).parent / "assets" / "page.css").read_text()
PAIRS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", CSS)
}


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, as WCAG 2.2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_defined() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21.0)


def test_lines_stand_out_from_their_background() -> None:
    for light, dark in COLOURS:
        assert contrast(light, PAPER) >= 3 and contrast(dark, NIGHT) >= 3


def test_the_first_24_lines_differ_and_neighbours_do_in_both_traits() -> None:
    styles = [line_style(i) for i in range(24)]
    assert len(set(styles)) == 24
    for one, other in zip(styles, styles[1:], strict=False):
        assert one.light != other.light and one.dash != other.dash


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_texts_can_be_read_on_every_background_of_the_page(mode: int) -> None:
    colour = {name: pair[mode] for name, pair in PAIRS.items()}
    assert colour["paper"] == (PAPER, NIGHT)[mode]
    shades = [name for name in colour if name.startswith("shade-")]
    assert len(shades) == 5
    for background in ("paper", "raised", "miss", *shades):
        assert contrast(colour["ink"], colour[background]) >= 4.5
    for background in ("paper", "raised"):
        for text in ("soft", "link"):
            assert contrast(colour[text], colour[background]) >= 4.5
        assert contrast(colour["focus"], colour[background]) >= 3
