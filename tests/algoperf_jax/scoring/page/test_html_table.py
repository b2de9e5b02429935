"""Tables: cells, sort keys, shades."""

import pytest

from algoperf_jax.scoring.page.html_table import html_table, sort_key
from algoperf_jax.scoring.text_table import TextTable

TABLE = TextTable(
    "Fractions",
    ["submission", "alpha", "beta_wide"],
    [["one", "0.1000", "0.9000 c"], ["two", "inf", "*"]],
    ["a legend"],
    "fractions",
)


@pytest.mark.parametrize(
    "text, key",
    [
        ("0.2500", "0.2500"),
        ("0.2855 c", "0.2855"),
        ("0.1-0.9", "0.1"),
        ("12", "12"),
        ("inf", "Infinity"),
        ("*", ""),
        ("-", ""),
        ("not stated", ""),
        ("", ""),
        ("Meta AI", "meta ai"),
    ],
)
def test_cells_are_sorted_by_their_leading_number_and_without_value_last(
    text: str, key: str
) -> None:
    assert sort_key(text) == key


def test_a_table_has_caption_row_heads_and_sort_buttons() -> None:
    text = html_table(TABLE, "t")
    assert '<caption id="t-caption">Fractions</caption>' in text
    assert text.count('<th scope="row"') == 2
    assert text.count('scope="col"') == text.count('<button type="button" class="sort">') == 3
    assert "beta_<wbr>wide" in text and "a legend" in text
    assert 'role="region" aria-labelledby="t-caption" tabindex="0"' in text


def test_shades_come_with_their_number_and_marks_with_their_meaning() -> None:
    text = html_table(TABLE, "t", shaded=True)
    assert '<td class="number shade-0" data-sort="0.1000">0.1000</td>' in text
    assert '<td class="number miss" data-sort="Infinity">inf</td>' in text
    assert '<td class="number absent" data-sort="">*</td>' in text
    assert (
        '<s>0.9000</s> <abbr title="counts as a miss: held-out variant more than 4 times the '
        'fastest">c</abbr>'
    ) in text


def test_columns_can_be_left_out() -> None:
    text = html_table(TABLE, "t", left_out=["alpha"])
    assert "alpha" not in text and "0.1000" not in text
