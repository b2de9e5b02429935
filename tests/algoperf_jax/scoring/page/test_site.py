"""The files of the page, as text."""

import csv
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import PurePosixPath

import pytest

from algoperf_jax.errors import UserError
from algoperf_jax.scoring.leaderboard import Leaderboard
from algoperf_jax.scoring.page import site as site_module
from algoperf_jax.scoring.page.links import Key, submission_pages
from algoperf_jax.scoring.page.site import site
from algoperf_jax.scoring.tables import all_tables

VOID = {"meta", "link", "br", "wbr", "input"}


class Page(HTMLParser):
    """Elements, links, texts of tables; fails where elements do not nest."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def pages(files: dict[str, str]) -> dict[str, Page]:
    return {name: Page(text) for name, text in files.items() if name.endswith(".html")}


def test_there_is_a_page_per_submission_and_files_for_tables(files: dict[str, str]) -> None:
    assert {name for name in files if name.endswith(".html")} == {
        "index.html",
        "submissions/baseline.html",
        "submissions/x.html",
        "submissions/a_b_i_.html",
    }
    assert {"assets/plotly.min.js", "assets/page.js", "assets/page.css"} <= files.keys()


def test_hostile_names_stay_text_everywhere(files: dict[str, str]) -> None:
    for name, text in files.items():
        if name.endswith((".html", ".md")):
            assert "<script>" not in text and '<a href="https:' not in text, name
    own = {"page.js", "plotly.min.js"}
    for page in pages(files).values():
        scripts = page.all("script")
        assert {PurePosixPath(s["src"] or "").name for s in scripts if "src" in s} <= own
        assert all(s.get("type") == "application/json" for s in scripts if "src" not in s)
        assert not any(name.startswith("on") for _, a in page.elements for name in a)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in files["submissions/x.html"]


def test_links_are_relative_and_resolve(files: dict[str, str]) -> None:
    parsed = pages(files)
    ids = {name: {a["id"] for _, a in page.elements if "id" in a} for name, page in parsed.items()}
    for name, page in parsed.items():
        assert len(ids[name]) == sum("id" in a for _, a in page.elements), "ids are unique"
        for attributes in page.all("a", "link", "script", "img", "source", "iframe"):
            link = attributes.get("href") or attributes.get("src")
            if link is None or link == "data:,":
                continue
            assert not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//|/", link), link
            path, _, fragment = link.partition("#")
            base = PurePosixPath(name).parent
            parts: list[str] = []
            for part in [*base.parts, *PurePosixPath(path).parts]:
                parts = parts[:-1] if part == ".." else [*parts, part]
            target = "/".join(parts) if path else name
            assert target in files, link
            if fragment:
                assert fragment in ids[target], link


def test_style_and_script_name_no_other_place(files: dict[str, str]) -> None:
    for name in ("assets/page.css", "assets/page.js"):
        assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", files[name]), name


def test_browsers_are_told_to_refuse_other_places(files: dict[str, str]) -> None:
    for page in pages(files).values():
        policy = next(m for m in page.all("meta") if m.get("http-equiv"))["content"] or ""
        assert policy.startswith("default-src 'none';") and "http" not in policy


def test_tables_on_the_page_agree_with_the_csv_files(
    files: dict[str, str], leaderboard: Leaderboard
) -> None:
    shown = {tuple(row) for row in Page(files["index.html"]).rows}
    for table in all_tables(leaderboard):
        header, *body = csv.reader(io.StringIO(files[f"tables/external_{table.name}.csv"]))
        assert header == list(table.header) and len(body) == 3
        id_ = header.index("submission")
        for row in (header, *body):
            cells = dict(zip(header, row, strict=True))
            cells.pop("name", None)
            if row is not header:
                # The page has the name for readers, and the one in the records behind it.
                name = leaderboard.infos[row[id_]].name
                cells["submission"] = name if name == row[id_] else f"{name} {row[id_]}"
            assert tuple(cells.values()) in shown


def test_all_submissions_are_in_every_table_with_their_names(files: dict[str, str]) -> None:
    rows = Page(files["index.html"]).rows
    heads = [cell for row in rows for cell in row]
    assert sum("baseline" in cell for cell in heads) >= 5
    assert sum(cell == "<script>alert(1)</script> x" for cell in heads) >= 5


def test_the_leaderboard_has_the_columns_of_the_results_page(files: dict[str, str]) -> None:
    rows = Page(files["index.html"]).rows
    assert rows[0] == [
        *("rank", "submission", "score", "95 % interval", "evidence", "organisation", "authors"),
        *("framework", "prize eligible"),
    ]
    hostile = next(row for row in rows if row[1].startswith("<script>"))
    assert hostile[6] == "<script>alert(1)</script>, Ann Author"
    assert hostile[7:9] == ["JAX", "yes"]


def test_both_tuning_rules_stand_on_one_page(make_leaderboard: Callable[..., Leaderboard]) -> None:
    leaderboards = [make_leaderboard("external"), make_leaderboard("self")]
    files = site(leaderboards, "", "footer")
    text = files["index.html"]
    assert text.index("External tuning</h2>") < text.index("Self-tuning</h2>")
    assert {"submissions/x.html", "submissions/x_self.html"} <= files.keys()
    assert {"tables/external_ranks.csv", "tables/self_ranks.csv"} <= files.keys()
    test_links_are_relative_and_resolve(files)


def test_pages_never_share_a_file(make_leaderboard: Callable[..., Leaderboard]) -> None:
    names = submission_pages([make_leaderboard("external"), make_leaderboard("self")])
    assert len({name.lower() for name in names.values()}) == len(names) == 6
    assert names[Key("self", "baseline")] == "submissions/baseline_self.html"


def test_each_page_can_be_read_on_a_phone_and_with_a_keyboard(files: dict[str, str]) -> None:
    for page in pages(files).values():
        assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
            "meta"
        )
        assert page.all("html") == [{"lang": "en"}]
        assert [a["href"] for a in page.all("a") if a.get("class") == "skip"] == ["#main"]
        assert len(page.all("caption")) == len(page.all("table"))
        assert len(page.all("h1")) == len(page.all("main")) == 1


def test_a_missing_library_is_an_error_that_names_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "plotly.offline", None)
    with pytest.raises(UserError, match=r"pip install -e '\.\[report\]'"):
        site_module.plotly_script()
