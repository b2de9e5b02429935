"""The page of the published leaderboard in a real browser: python -m pytest -m slow tests/.../page

Needs chromium and chromium-driver (Debian: apt-get install chromium chromium-driver), selenium and
plotly.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import score
from plot_browser import mouse, place_of, point_at, show, visible_lines, wait

from algoperf_jax.scoring.lines import NIGHT, PAPER

pytestmark = pytest.mark.slow
webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
pytest.importorskip("plotly", reason="plotly is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip("chromium or chromedriver is not installed", allow_module_level=True)

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
PROFILE = "external-profile-plot"
PHONE = (390, 844)

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def page(published_files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's folder; one submission has a hostile name."""
    folder = tmp_path_factory.mktemp("page")
    about = folder / "amos.json"
    link = '<a href="https://example.org/">Amos</a><img src="https://example.org/x.png">'
    about.write_text(json.dumps({"name": link, "description": "<script>alert(1)</script>"}))
    files = [str(path) for path in published_files]
    score.main([*files, f"--metadata={about}", f"--html={folder / 'page'}"])
    return folder / "page"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser with a fresh profile that can reach no other machine."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def visit(chromium: Any, page: Path) -> Iterator[Open]:
    """Opens a page of the site; afterwards nothing was logged and nothing was asked for."""

    def visit(
        name: str = "index.html", size: tuple[int, int] = (1280, 900), colours: str = "light"
    ) -> Any:
        emulated = {"name": "prefers-color-scheme", "value": colours}
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [emulated]})
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
        metrics["mobile"] = size == PHONE
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        chromium.get((page / name).as_uri())
        chromium.execute_script("localStorage.clear(); location.reload()")
        wait(lambda: chromium.execute_script("return document.readyState === 'complete'"))
        return chromium

    chromium.get_log("browser"), chromium.get_log("performance")
    yield visit
    assert chromium.get_log("browser") == []
    messages = [json.loads(e["message"])["message"] for e in chromium.get_log("performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    local = ("file:", "data:", "blob:", "chrome:")
    assert any(url.endswith("plotly.min.js") for url in asked)
    assert [url for url in asked if not url.startswith(local)] == []


def hover_texts(plot: Any) -> list[str]:
    return [text.text for text in plot.find_elements("css selector", ".hoverlayer text")]


def column(driver: Any, table: str, number: int) -> list[str]:
    script = (
        "return [...document.getElementById(arguments[0]).tBodies[0].rows]"
        ".map((row) => row.cells[arguments[1]].textContent)"
    )
    return driver.execute_script(script, table, number)


def test_tables_sort_by_number_with_misses_and_missing_values_last(visit: Open) -> None:
    driver = visit()
    table = driver.find_element("id", "external-fractions-table")
    header = table.find_elements("css selector", "thead th")[1]
    button = header.find_element("tag name", "button")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    assert header.get_attribute("aria-sort") == "ascending"
    cells = column(driver, "external-fractions-table", 1)
    numbers = [float(cell) for cell in cells if cell[0].isdigit()]
    assert numbers == sorted(numbers) and len(numbers) == 7
    assert cells[7:] == ["inf", "inf", "*", "*"]
    button.click()
    assert header.get_attribute("aria-sort") == "descending"
    cells = column(driver, "external-fractions-table", 1)
    assert cells[:2] == ["inf", "inf"] and cells[-2:] == ["*", "*"]


def test_names_sort_by_alphabet(visit: Open) -> None:
    driver = visit()
    table = driver.find_element("id", "external-leaderboard-table")
    table.find_elements("css selector", "thead button")[1].click()
    names = column(driver, "external-leaderboard-table", 1)
    assert names == sorted(names, key=str.casefold)


def test_sort_buttons_are_reached_and_pressed_by_keyboard(visit: Open) -> None:
    driver = visit()
    keys = webdriver.Keys
    body = driver.find_element("tag name", "body")
    body.send_keys(keys.TAB)
    assert driver.switch_to.active_element.text == "Skip to the content"
    for _ in range(12):
        driver.switch_to.active_element.send_keys(keys.TAB)
        if driver.switch_to.active_element.get_attribute("class") == "sort":
            break
    button = driver.switch_to.active_element
    assert button.text == "rank"
    outline = driver.execute_script("return getComputedStyle(arguments[0]).outlineStyle", button)
    assert outline == "solid"
    button.send_keys(keys.ENTER)
    assert column(driver, "external-leaderboard-table", 0)[0] == "11"


def test_the_profile_is_drawn_with_a_line_per_submission(visit: Open) -> None:
    assert visible_lines(show(visit(), PROFILE)) == 11


def test_hovering_names_the_line_and_fades_the_others(visit: Open) -> None:
    driver = visit()
    plot = show(driver, PROFILE)
    point_at(driver, plot, 3.2, 0.875)
    (text,) = wait(lambda: hover_texts(plot))
    assert "shampoo_submission" in text and "87.5%" in text
    assert len(plot.find_elements("css selector", "g.trace.picked")) == 1


def test_a_hostile_name_is_text_in_the_plot_too(visit: Open) -> None:
    driver = visit()
    plot = show(driver, PROFILE)
    point_at(driver, plot, 3.2, 0.625)  # the only profile that ends there
    (text,) = wait(lambda: hover_texts(plot))
    assert text.startswith('<a href="https://example.org/">Amos</a><img')
    assert driver.find_elements("css selector", ".hoverlayer a, main img") == []


def test_a_click_in_the_legend_hides_the_line_in_all_plots(visit: Open) -> None:
    driver = visit()
    curves = show(driver, "external-ogbg-plot")
    before = visible_lines(curves)
    plot = show(driver, PROFILE)
    button = driver.find_element("css selector", "#external-legend button")
    button.click()
    wait(lambda: visible_lines(plot) == 10)
    assert button.get_attribute("aria-pressed") == "false"
    assert visible_lines(curves) == before - 1
    button.click()
    wait(lambda: visible_lines(plot) == 11)
    assert button.get_attribute("aria-pressed") == "true"


def test_a_click_on_a_line_hides_it(visit: Open) -> None:
    driver = visit()
    plot = show(driver, PROFILE)
    place = point_at(driver, plot, 3.2, 0.875)
    wait(lambda: hover_texts(plot))
    for kind in ("mousePressed", "mouseReleased"):
        mouse(driver, kind, place, button="left", clickCount=1)
    wait(lambda: visible_lines(plot) == 10)
    button = driver.find_element("css selector", "#external-legend button")
    assert button.get_attribute("aria-pressed") == "false"


def test_a_tap_on_a_line_names_it_and_hides_nothing(visit: Open) -> None:
    driver = visit(size=PHONE)
    plot = show(driver, PROFILE)
    place = place_of(driver, plot, 3.2, 0.875)
    for kind, points in (("touchStart", [place]), ("touchEnd", [])):
        event = {"type": kind, "touchPoints": points}
        driver.execute_cdp_cmd("Input.dispatchTouchEvent", event)
    (text,) = wait(lambda: hover_texts(plot))
    assert "shampoo_submission" in text
    assert visible_lines(plot) == 11


def test_curves_show_target_and_budget(visit: Open) -> None:
    plot = show(visit(), "external-wmt-plot")
    assert len(plot.find_elements("css selector", ".shapelayer path")) == 2
    names = {text.text for text in plot.find_elements("css selector", ".annotation-text")}
    assert names == {"target", "budget"}


def test_a_page_of_a_submission_draws_all_its_runs(visit: Open) -> None:
    driver = visit("submissions/shampoo_submission.html")
    assert visible_lines(show(driver, "wmt-plot")) == 25
    assert "0.7785" in driver.find_element("tag name", "dl").text


def test_a_hostile_description_is_text(visit: Open) -> None:
    driver = visit("submissions/amos.html")
    show(driver, "wmt-plot")
    assert "<script>alert(1)</script>" in driver.find_element("tag name", "main").text


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


def background(driver: Any) -> str:
    return driver.execute_script("return getComputedStyle(document.body).backgroundColor")


def stroke(plot: Any) -> str:
    line = plot.find_element("css selector", ".scatterlayer path.js-line")
    return line.value_of_css_property("stroke")


def test_dark_colours_follow_the_system_and_the_switch(visit: Open) -> None:
    driver = visit(colours="dark")
    plot = show(driver, PROFILE)
    switch = driver.find_element("id", "scheme")
    assert background(driver) == rgb(NIGHT) and switch.get_attribute("aria-pressed") == "true"
    dark = stroke(plot)
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", switch)
    switch.click()
    assert background(driver) == rgb(PAPER) and switch.get_attribute("aria-pressed") == "false"
    wait(lambda: stroke(plot) != dark)


def test_a_choice_of_colours_lasts(visit: Open) -> None:
    driver = visit()
    driver.find_element("id", "scheme").click()
    driver.refresh()
    assert background(driver) == rgb(NIGHT)


@pytest.mark.parametrize("name", ["index.html", "submissions/shampoo_submission.html"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_is_wider_than_its_window(visit: Open, name: str, width: int) -> None:
    driver = visit(name, size=(width, 844))
    for plot in driver.find_elements("css selector", ".plots .plot")[:2]:
        show(driver, plot.get_attribute("id"))
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_phone_shows_ranks_names_and_scores_at_once(visit: Open) -> None:
    driver = visit(size=PHONE)
    table = driver.find_element("id", "external-leaderboard-table")
    cells = table.find_elements("css selector", "tbody tr:first-child > *")
    for cell in (cells[0], cells[1], cells[-1]):
        assert cell.rect["x"] >= 0 and cell.rect["x"] + cell.rect["width"] <= PHONE[0]
