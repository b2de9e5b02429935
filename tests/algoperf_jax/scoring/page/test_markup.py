"""Elements and the texts in them."""

import json
import re

from algoperf_jax.scoring.page.markup import Markup, breakable, element, joined, script_data


def test_texts_and_attributes_are_escaped_and_elements_are_not() -> None:
    inner = element("b", "<i>")
    assert inner == "<b>&lt;i&gt;</b>"
    outer = element("p", inner, "&", title='"quoted" <x>')
    assert outer == '<p title="&quot;quoted&quot; &lt;x&gt;"><b>&lt;i&gt;</b>&amp;</p>'


def test_attributes_take_the_names_of_html() -> None:
    made = element("th", class_="a", aria_sort="none", hidden=False, defer=True, id=None)
    assert made == '<th class="a" aria-sort="none" defer></th>'


def test_void_elements_have_no_end() -> None:
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_joined_escapes_only_plain_texts() -> None:
    assert joined(["<", Markup("<br>"), None], "&") == "&lt;&<br>"


def test_names_break_at_underscores() -> None:
    assert breakable("a_b<") == "a_<wbr>b&lt;"


def test_data_for_scripts_cannot_end_their_element() -> None:
    data = {"name": "</script><!-- & \u2028"}
    text = script_data("x", data)
    content = re.fullmatch(r'<script type="application/json" id="x">(.*)</script>', text)
    assert content is not None
    assert not set("<>&\u2028") & set(content[1])
    assert json.loads(content[1]) == data
