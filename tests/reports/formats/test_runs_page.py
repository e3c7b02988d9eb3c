"""The charts of runs over time in a real browser: pointer, finger and keys reach each run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

pytest.importorskip("selenium")

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from bench.archive.case_series import SeriesRun
from reports import formats
from reports.over_time import trend_report
from tests.planted import planted_trend
from tests.planted.page_browser import (
    DESKTOP,
    PHONE,
    WIDTHS,
    Driver,
    ask,
    axe,
    emulate,
    picture,
    show,
    started,
)

SCRIPT = "</script><script>document.title = 'run'</script><img src=x onerror=alert(2)>"
COUNT = 13


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    yield from started(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trend whose labels, conditions, models and machines try to be markup."""
    trended = planted_trend.year(90, COUNT)
    odd = planted_trend.series(tuple(map(_odd, planted_trend.runs(90))), case=f"{SCRIPT}/x", kind=SCRIPT)
    document = trend_report.document(structs.replace(trended, series=(*trended.series, odd)))
    file = tmp_path_factory.mktemp("trend") / "trend.html"
    file.write_text(formats.render("html", document), encoding="utf-8")
    return file


def _odd(run: SeriesRun) -> SeriesRun:
    conditions = {**run.conditions, "driver": f"{SCRIPT}{run.conditions['driver']}", SCRIPT: "1"}
    return structs.replace(run, label=SCRIPT, conditions=conditions)


def plot(browser: Driver, at: int = 0) -> WebElement:
    return browser.find_elements(By.CSS_SELECTOR, ".plot")[at]


def panel(browser: Driver) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, ".run-panel")


def dot(browser: Driver, run: int) -> tuple[float, float]:
    """Where a run of the first chart is drawn, in pixels from the middle of its picture."""
    box = ask(browser, "document.querySelector('.plot svg').getBoundingClientRect().toJSON()")
    path = '.plot path[style*="round"]'
    d = ask(browser, f"document.querySelector('{path}').getAttribute('d')")
    x, y = map(float, d[1:].split("M")[run].removesuffix("h0").split())
    scale = box["width"] / ask(browser, "document.querySelector('.plot svg').viewBox.baseVal.width")
    return x * scale - box["width"] / 2, y * scale - box["height"] / 2


@pytest.mark.slow
def test_it_opens_without_a_word_and_no_text_becomes_markup(browser: Driver, page: Path) -> None:
    show(browser, page)
    assert browser.get_log("browser") == []
    assert browser.title == f"3 of {COUNT + 1} cases stepped · convbench"
    assert ask(browser, "document.images.length") == 0
    assert ask(browser, "document.querySelectorAll('.plot svg').length") == COUNT + 1
    odd = ask(browser, "document.body.textContent").count(SCRIPT)
    assert odd > 3


@pytest.mark.slow
def test_the_pointer_shows_the_run_under_it_with_its_conditions(browser: Driver, page: Path) -> None:
    show(browser, page)
    assert not panel(browser).is_displayed()
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot(browser))
    series = planted_trend.series(
        planted_trend.runs(90, missing=frozenset({20, 21}), undated=frozenset({30})),
        seconds=0.16,
        steps={70: 0.031},
        seed=12,
    ).series
    for at in (28, 70, 87):
        x, y = dot(browser, at)
        ActionChains(browser).move_to_element_with_offset(plot(browser), round(x), round(y)).perform()
        text = panel(browser).text
        assert f"@{series.runs[at].digest[:12]}" in text
        assert f"{series.runs[at].at[:10]} 02:00 UTC" in text
        assert f"{1e3 * math.exp(series.points[at].log_seconds):.1f} ms (" in text
        assert "5 processes" in text
        assert ("Its clock was wrong" in text) == (at == 28)
        assert ("driver 575.51 → 580.10 on 14 March 2026: ▲ +3.1%" in text) == (at == 70)
        assert ("580.10 (before: 575.51)" in text) == (at == 70)
        assert "SM locked at 1980 MHz" in text
    ActionChains(browser).move_to_element(browser.find_element(By.TAG_NAME, "h1")).perform()
    assert not panel(browser).is_displayed()
    assert browser.find_elements(By.CSS_SELECTOR, ".run-cursor") == []


@pytest.mark.slow
def test_arrow_keys_go_from_run_to_run_and_say_each(browser: Driver, page: Path) -> None:
    show(browser, page)
    first = plot(browser)
    browser.execute_script("arguments[0].focus()", first)
    assert panel(browser).is_displayed()
    assert first.get_attribute("aria-valuenow") == first.get_attribute("aria-valuemax") == "88"
    first.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_RIGHT)
    assert first.get_attribute("aria-valuenow") == "87"
    assert str(first.get_attribute("aria-valuetext")).startswith("2026-03-30 02:00 UTC · @")
    seen = set()
    first.send_keys(Keys.HOME)
    for _ in range(88):
        seen.add(first.get_attribute("aria-valuetext"))
        first.send_keys(Keys.ARROW_RIGHT)
    assert len(seen) == 88
    first.send_keys(Keys.PAGE_UP)
    assert first.get_attribute("aria-valuenow") == "88"
    browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    WebDriverWait(browser, 5).until_not(lambda it: panel(it).is_displayed())
    first.send_keys(Keys.ARROW_LEFT)
    assert panel(browser).is_displayed(), "a key brings it back"
    first.send_keys(Keys.ESCAPE)
    assert not panel(browser).is_displayed()


@pytest.mark.slow
def test_a_tap_shows_a_run(browser: Driver, page: Path) -> None:
    emulate(show(browser, page), size=PHONE)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot(browser))
    x, y = ask(
        browser,
        "(b => [b.left + b.width / 2, b.top + b.height / 2])"
        "(document.querySelector('.plot svg').getBoundingClientRect())",
    )
    touch = {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]}
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", touch)
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert panel(browser).is_displayed()
    box = ask(browser, "document.querySelector('.run-panel').getBoundingClientRect().toJSON()")
    assert box["left"] >= 0
    assert box["right"] <= PHONE[0]


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)])
def test_axe_finds_no_fault(browser: Driver, page: Path, scheme: str, size: tuple[int, int]) -> None:
    emulate(show(browser, page), scheme, size)
    ask(browser, "document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert axe(browser) == []


@pytest.mark.slow
@pytest.mark.parametrize("size", [*WIDTHS, (320, 600)])
def test_nothing_scrolls_the_page_sideways_and_no_letter_is_cut_off(
    browser: Driver, page: Path, size: tuple[int, int]
) -> None:
    emulate(show(browser, page), size=size)
    assert ask(browser, "document.documentElement.scrollWidth") <= size[0]
    cut = (
        "[...document.querySelectorAll('.plot svg')].slice(0, -1).flatMap(svg => {"
        "const box = svg.getBoundingClientRect();"
        "return [...svg.querySelectorAll('text')].filter(text => {"
        "const own = text.getBoundingClientRect();"
        "return own.left < box.left - 1 || own.right > box.right + 1 || own.top < box.top - 1; })"
        ".map(text => text.textContent); })"
    )
    assert ask(browser, cut) == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dots_are_seen_without_the_script(browser: Driver, page: Path, tmp_path: Path, scheme: str) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        emulate(show(browser, page), scheme)
        browser.find_element(By.CSS_SELECTOR, ".run-chart").location_once_scrolled_into_view  # noqa: B018
        seen = picture(browser, tmp_path / f"{scheme}.png")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    colored = seen.max(axis=2) - seen.min(axis=2) > 0.3
    assert np.count_nonzero(colored) > 500
    assert browser.find_elements(By.CSS_SELECTOR, "[role=slider]") == []
