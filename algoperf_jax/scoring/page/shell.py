"""What all pages share: head, skip link, title, navigation, the switch of colour schemes."""

from collections.abc import Sequence

from algoperf_jax.scoring.page.markup import Markup, element, joined

POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'; "
    "img-src 'self' file: data: blob:; form-action 'none'; base-uri 'none'"
)
"""Browsers refuse everything but what lies beside the page; plotly needs styles and blobs."""


def page(
    *,
    title: str,
    subtitle: str,
    body: Sequence[Markup | None],
    navigation: Sequence[Markup],
    root: str,
    footer: str,
    plots: bool,
) -> str:
    """A whole page.

    Args:
      title: the heading.
      subtitle: stands below it.
      body: what stands in `main`.
      navigation: links.
      root: relative path of the front page's folder, empty or ending in a slash.
      footer: the last line.
      plots: whether the page has any; it loads the library then.
    """
    scripts = ["plotly.min.js"] if plots else []
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("link", rel="icon", href="data:,"),
        element("link", rel="stylesheet", href=f"{root}assets/page.css"),
        *(
            element("script", src=f"{root}assets/{name}", defer=True)
            for name in [*scripts, "page.js"]
        ),
    )
    switch = element("button", "Dark colours", type="button", id="scheme", aria_pressed="false")
    header = element(
        "header",
        element("div", element("h1", title), element("p", subtitle, class_="subtitle")),
        switch,
    )
    links = [element("li", link) for link in navigation]
    content = element(
        "body",
        element("a", "Skip to the content", href="#main", class_="skip"),
        header,
        element("nav", element("ul", *links), aria_label="On this page"),
        element(
            "noscript",
            element("p", "Plots and sorting need JavaScript; all numbers are in the tables."),
        ),
        element("main", *body, id="main", tabindex="-1"),
        element("footer", element("p", footer)),
    )
    text = joined([Markup("<!doctype html>"), element("html", head, content, lang="en")], "\n")
    return f"{text}\n"
