"""What tests do with plots in a browser: wait, scroll to them, point at what they show."""

import time
from collections.abc import Callable
from typing import Any


def wait(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """What the condition returns, as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "the page did not get there in time"
        time.sleep(0.05)
    return found


def show(driver: Any, id_: str) -> Any:
    """Scrolls to a plot and waits until it is drawn."""
    plot = driver.find_element("id", id_)
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    wait(lambda: plot.find_elements("css selector", ".scatterlayer path.js-line"))
    return plot


def visible_lines(plot: Any) -> int:
    return len(plot.find_elements("css selector", ".scatterlayer g.trace"))


def place_of(driver: Any, plot: Any, x: float, y: float) -> dict[str, float]:
    """Where in the window something stands in a plot."""
    script = (
        "const p = arguments[0], {xaxis: a, yaxis: b} = p._fullLayout, "
        "r = p.getBoundingClientRect(); return {x: r.left + a._offset + a.d2p(arguments[1]), "
        "y: r.top + b._offset + b.d2p(arguments[2])}"
    )
    return driver.execute_script(script, plot, x, y)


def mouse(driver: Any, kind: str, place: dict[str, float], **values: Any) -> None:
    event = {"type": kind, **place, **values}
    driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def point_at(driver: Any, plot: Any, x: float, y: float) -> dict[str, float]:
    """Moves the mouse to something in a plot; returns where that is in the window."""
    place = place_of(driver, plot, x, y)
    for step in (-3, 0):  # a hover is noticed when the mouse moves
        mouse(driver, "mouseMoved", {**place, "x": place["x"] + step})
        time.sleep(0.1)
    return place
